"""ZeroMQ's sockets, by pyzmq, with each other and with what goes by other protocols.

The broker listens for them twice: with the queue `jobs`, and with the queue `requests`.
"""

import itertools

import paho.mqtt.client as mqtt
import pika
import zmq
from ends import LISTENERS, Amqp, Mqtt, Stomp, same
from zmq.utils.monitor import recv_monitor_message

WAIT_MS = 60_000
JOBS, REQUESTS = range(2)

# All bytes, and none of them twice in a row.
BODY = bytes(range(256)) + b"\0\r\n"

context = zmq.Context()


def connected(kind, listener=JOBS, **options):
    of = context.socket(kind)
    of.linger = of.rcvtimeo = of.sndtimeo = WAIT_MS
    for name, value in options.items():
        setattr(of, name, value)
    of.connect("tcp://" + LISTENERS["zmtp"][listener])
    return of


def publisher(**options):
    """A PUB that the broker has asked for everything."""
    of = connected(zmq.XPUB, **options)
    same(of.recv(), b"\x01")
    return of


def subscribed(*prefixes, **options):
    """A SUB whose last prefix counts already."""
    of = connected(zmq.SUB, **options)
    for prefix in prefixes:
        of.subscribe(prefix)
    sender = Amqp()
    sent = itertools.count()
    for number in sent:
        sender.send("amq.topic", (prefixes[-1] + b"~probe").decode(), str(number).encode())
        if of.poll(20):
            break
    # The first may be any of them; those behind it come, too.
    while int(of.recv_multipart()[1]) != number:
        pass
    return of


def zmq_topics():
    amqp, stomp, mqtt_end = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("plant.#")
    stomp.subscribe("/topic/plant.*.temp")
    mqtt_end.subscribe("plant/+/temp")
    of = publisher()
    of.send_multipart([b"plant.7.temp", BODY])
    method, properties, body = amqp.take(queue)
    same((method.routing_key, body, properties.delivery_mode), ("plant.7.temp", BODY, None))
    same(stomp.take(), ("/topic/plant.7.temp", {}, BODY))
    message = mqtt_end.take()
    same((message.topic, message.payload, message.qos), ("plant/7/temp", BODY, 0))
    # One frame: the key is how it begins.
    of.send_string("plant.8.temp 21.5")
    same((amqp.take(queue)[0].routing_key, stomp.take()[2]), ("plant.8.temp", b"plant.8.temp 21.5"))
    same(mqtt_end.take().topic, "plant/8/temp")
    subscriber = subscribed(b"plant.")
    amqp.send("amq.topic", "plant.a", BODY)
    same(subscriber.recv_multipart(), [b"plant.a", BODY])
    stomp.send("/topic/plant.s", BODY, {"color": "red"})
    same(subscriber.recv_multipart(), [b"plant.s", BODY])
    mqtt_end.send("plant/m.1", BODY)
    same(subscriber.recv_multipart(), [b"plant.m/1", BODY])
    Mqtt(mqtt.MQTTv311).send("plant/old", BODY, 0)
    same(subscriber.recv_multipart(), [b"plant.old", BODY])


def zmq_prefixes_are_exact():
    # They overlap, and end within a level.
    subscriber = subscribed(b"a", b"a.b", b"a.b.c", b"temp 2", b"a.b.cd")
    of = publisher()
    sent = [
        [b"a.b.cd", b"1"],
        [b"b", b"a.b"],
        [b"ab", b"", BODY, b""],
        [b"temp 21"],
        [b"temp 31"],
        [b"A"],
        [b"a"],
        [b"a" * 1000, b"2"],
    ]
    for frames in sent:
        of.send_multipart(frames)
    for frames in (sent[0], sent[2], sent[3], sent[6], sent[7]):
        same(subscriber.recv_multipart(), frames)
    subscriber.unsubscribe(b"a")
    subscriber.subscribe(b"end")
    # A prefix counts once the broker has it.
    while True:
        of.send_multipart([b"ax", b"3"])
        of.send_multipart([b"end", b""])
        of.send_multipart([b"a.bx", b"4"])
        got = subscriber.recv_multipart()
        if got == [b"end", b""]:
            break
    same(subscriber.recv_multipart(), [b"a.bx", b"4"])


def zmq_queues():
    amqp, stomp = Amqp(), Stomp()
    push = connected(zmq.PUSH)
    push.send_multipart([b"job", BODY])
    push.send(BODY)
    # Who asks for the queue finds it once the first has come.
    pull = connected(zmq.PULL)
    same(pull.recv_multipart(), [b"job", BODY])
    same(pull.recv_multipart(), [BODY])
    amqp.send("", "jobs", BODY)
    same(pull.recv_multipart(), [BODY])
    stomp.send("/queue/jobs", BODY, {"persistent": "true"})
    same(pull.recv_multipart(), [BODY])
    pull.close(0)
    # What it is given before the broker knows is lost.
    while amqp.channel.queue_declare("jobs", passive=True).method.consumer_count:
        pass
    push.send_multipart([b"a", b"", b"bc"])
    same(amqp.take("jobs")[2], b"abc")
    amqp.leave("jobs")
    stomp.subscribe("/queue/jobs")
    push.send(BODY)
    same(stomp.take(), ("/queue/jobs", {}, BODY))


def zmq_pulls_share_a_queue():
    pulls = [connected(zmq.PULL) for _ in range(3)]
    push = connected(zmq.PUSH)
    # More than one is given ahead.
    count = 6000
    for number in range(count):
        push.send(str(number).encode())
    poller = zmq.Poller()
    for pull in pulls:
        poller.register(pull, zmq.POLLIN)
    got = {pull: [] for pull in pulls}
    while sum(map(len, got.values())) < count:
        for pull, _ in poller.poll(WAIT_MS):
            got[pull].append(int(pull.recv()))
    for numbers_of_one in got.values():
        same(numbers_of_one, sorted(numbers_of_one))
    same(sorted(itertools.chain(*got.values())), list(range(count)))


def zmq_requests():
    amqp, stomp = Amqp(), Stomp()
    req, rep = connected(zmq.REQ, REQUESTS), connected(zmq.REP, REQUESTS)
    req.send_multipart([b"ask", BODY])
    same(rep.recv_multipart(), [b"ask", BODY])
    rep.send_multipart([BODY, b"", b"x"])
    same(req.recv_multipart(), [BODY, b"", b"x"])
    # AMQP asks.
    replies = amqp.listen("", exchange="")
    amqp.send("", "requests", b"a?", pika.BasicProperties(reply_to=replies, correlation_id="7"))
    same(rep.recv(), b"a?")
    rep.send(b"a!")
    _, properties, body = amqp.take(replies)
    same((properties.correlation_id, body), ("7", b"a!"))
    # STOMP asks.
    stomp.send("/queue/requests", b"s?", {"reply-to": "/temp-queue/mine", "correlation-id": "order:8"})
    same(rep.recv(), b"s?")
    rep.send(b"s!")
    _, headers, body = stomp.take()
    same((headers, body), ({"correlation-id": "order:8"}, b"s!"))
    # MQTT asks.
    mqtt_end = Mqtt()
    mqtt_end.subscribe("to/me")
    amqp.channel.queue_bind("requests", "amq.topic", "ask")
    mqtt_end.send("ask", b"m?", ResponseTopic="to/me", CorrelationData=b"\x00\xff")
    same(rep.recv(), b"m?")
    rep.send(b"m!")
    message = mqtt_end.take()
    same((message.topic, message.payload), ("to/me", b"m!"))
    same(message.properties.CorrelationData, b"\x00\xff")
    rep.close(0)
    # AMQP answers.
    req.send(b"z?")
    _, properties, body = amqp.take("requests")
    same((body, properties.correlation_id), (b"z?", None))
    amqp.send("", properties.reply_to, b"by amqp", pika.BasicProperties(correlation_id=properties.correlation_id))
    same(req.recv(), b"by amqp")
    amqp.leave("requests")
    # STOMP answers.
    stomp.subscribe("/queue/requests")
    req.send(b"z?")
    _, headers, body = stomp.take()
    stomp.send(headers["reply-to"], b"by stomp")
    same(req.recv(), b"by stomp")
    # Many at a time, out of order.
    dealer = connected(zmq.DEALER, REQUESTS)
    for name in (b"one", b"two"):
        dealer.send_multipart([name, b"", b"?"])
    asked = [stomp.take()[1] for _ in range(2)]
    for headers in reversed(asked):
        stomp.send(headers["reply-to"], b"!", {"correlation-id": headers["correlation-id"]})
    same([dealer.recv_multipart() for _ in range(2)], [[b"two", b"", b"!"], [b"one", b"", b"!"]])


def zmq_an_unanswered_request_goes_to_another():
    first = connected(zmq.REP, REQUESTS)
    req = connected(zmq.REQ, REQUESTS)
    req.send(b"?")
    same(first.recv(), b"?")
    first.close(0)
    second = connected(zmq.REP, REQUESTS)
    same(second.recv(), b"?")
    second.send(b"!")
    same(req.recv(), b"!")


def zmq_users():
    pull = connected(zmq.PULL)
    push = connected(zmq.PUSH, plain_username=b"guest", plain_password=b"guest")
    push.send(b"x")
    same(pull.recv(), b"x")
    wrong = context.socket(zmq.PUSH)
    wrong.linger = 0
    monitor = wrong.get_monitor_socket()
    monitor.rcvtimeo = WAIT_MS
    wrong.plain_username, wrong.plain_password = b"guest", b"wrong"
    wrong.connect("tcp://" + LISTENERS["zmtp"][JOBS])
    seen = set()
    ends = {zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL}
    while not seen & ends:
        seen.add(recv_monitor_message(monitor)["event"])
        assert zmq.EVENT_HANDSHAKE_SUCCEEDED not in seen


def zmq_sends_what_is_kept():
    connected(zmq.PUSH).send_multipart([b"kept", b"", BODY])
    amqp = Amqp()
    amqp.channel.queue_declare("jobs", durable=True)
    while not amqp.channel.queue_declare("jobs", passive=True).method.message_count:
        pass
    # Behind it in the queue, and confirmed: so is it.
    amqp.send("", "jobs", b"confirmed", pika.BasicProperties(delivery_mode=2))


def zmq_takes_what_was_kept():
    pull = connected(zmq.PULL)
    same(pull.recv_multipart(), [b"kept", b"", BODY])
    same(pull.recv(), b"confirmed")
