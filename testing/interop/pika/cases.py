"""Features of AMQP 0-9-1 as pika uses them, and where STOMP and MQTT meet them. Usage: cases.py CASE VERSION HOST PORT"""

import datetime
import importlib
import json
import os
import queue
import sys
import time

import paho.mqtt.client as mqtt
import pika
import pika.exceptions as errors
import stomp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# Never waited out when all is well.
WAIT_S = 60

HOST, PORT = sys.argv[3], int(sys.argv[4])
LISTENERS = json.loads(os.environ["LISTENERS"])
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def connect(user="guest", password="guest"):
    login = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT, credentials=login))


def channel():
    return connect().channel()


def consume(of, name, count, auto_ack=True):
    """The next messages of a queue, as (method, properties, body)."""
    found = []
    for method, properties, body in of.consume(name, auto_ack=auto_ack, inactivity_timeout=WAIT_S):
        assert method is not None, f"only {len(found)} of {count} came"
        found.append((method, properties, body))
        if len(found) == count:
            break
    of.cancel()
    return found


def refused(code, call):
    """What a call is refused with."""
    try:
        call()
    except (errors.ChannelClosedByBroker, errors.ConnectionClosedByBroker) as error:
        same(error.reply_code, code)
        return error.reply_text
    raise AssertionError("it is not refused")


def publish(of, exchange, key, body, properties=None, mandatory=False):
    of.basic_publish(exchange, key, body, properties, mandatory)


# Publishing and what is told of it.


def messages_go_through_a_queue():
    of = channel()
    of.queue_declare("q", durable=True)
    for number in range(1000):
        publish(of, "", "q", str(number).encode(), PERSISTENT if number % 2 else None)
    found = consume(of, "q", 1000)
    same([body for _, _, body in found], [str(number).encode() for number in range(1000)])
    same(found[0][0].exchange, "")
    same(found[0][0].routing_key, "q")
    same(found[1][1].delivery_mode, 2)
    same(found[0][1].delivery_mode, None)
    of.queue_delete("q")


def publishes_are_confirmed():
    of = channel()
    of.queue_declare("q", durable=True)
    of.confirm_delivery()
    for number in range(100):
        publish(of, "", "q", str(number).encode(), PERSISTENT)
    # Nobody there is as good as confirmed.
    publish(of, "amq.fanout", "", b"for nobody")
    same(of.queue_declare("q", passive=True).method.message_count, 100)


def a_message_is_confirmed():
    of = channel()
    of.queue_declare("sync", durable=True)
    of.confirm_delivery()
    publish(of, "", "sync", b"body-durable", PERSISTENT)


def messages_are_kept():
    of = channel()
    of.queue_declare("kept", durable=True)
    of.confirm_delivery()
    for number in range(100):
        publish(of, "", "kept", str(number).encode(), PERSISTENT)


def messages_are_still_there():
    of = channel()
    same(of.queue_declare("kept", durable=True).method.message_count, 100)
    found = consume(of, "kept", 100)
    same([body for _, _, body in found], [str(number).encode() for number in range(100)])
    same({properties.delivery_mode for _, properties, _ in found}, {2})


def a_full_queue_is_told():
    of = channel()
    of.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    of.confirm_delivery()
    publish(of, "", "q", b"1")
    try:
        publish(of, "", "q", b"2")
    except errors.NackError:
        pass
    else:
        raise AssertionError("it is confirmed")
    same([body for _, _, body in consume(of, "q", 1)], [b"1"])


def what_goes_nowhere_is_returned():
    of = channel()
    of.confirm_delivery()
    for size in (0, 5, 300_000):
        try:
            properties = pika.BasicProperties(headers={"a": 1}, type="t")
            publish(of, "amq.direct", "nobody", b"x" * size, properties, mandatory=True)
        except errors.UnroutableError as error:
            [returned] = error.messages
            same(returned.method.reply_code, 312)
            same(returned.method.reply_text, "NO_ROUTE")
            same(returned.method.exchange, "amq.direct")
            same(returned.method.routing_key, "nobody")
            same(returned.properties.headers, {"a": 1})
            same(returned.properties.type, "t")
            same(returned.body, b"x" * size)
        else:
            raise AssertionError("it is not returned")
    of.queue_declare("q")
    publish(of, "", "q", b"somewhere", mandatory=True)
    same(consume(of, "q", 1)[0][2], b"somewhere")


def wrong_publishes_close_the_channel():
    connection = connect()
    of = connection.channel()
    other = connection.channel()
    other.queue_declare("q")

    def wrong(code, exchange, properties=None):
        of = connection.channel()
        publish(of, exchange, "q", b"x", properties)
        return refused(code, lambda: of.queue_declare("q", passive=True))

    text = wrong(404, "nowhere")
    same(text, "NOT_FOUND - no exchange 'nowhere' in vhost '/'")
    of.exchange_declare("inner", internal=True)
    wrong(403, "inner")
    wrong(406, "", pika.BasicProperties(expiration="soon"))
    wrong(406, "", pika.BasicProperties(user_id="somebody"))
    of = connection.channel()
    of.confirm_delivery()
    assert refused(404, lambda: publish(of, "nowhere", "", b"x")).startswith("NOT_FOUND")
    # Others go on.
    publish(other, "", "q", b"x", pika.BasicProperties(user_id="guest", expiration="60000"))
    same(consume(other, "q", 1)[0][1].user_id, "guest")


def bodies_have_a_limit():
    connection = connect()
    of = connection.channel()
    of.queue_declare("q")
    largest = os.urandom(16 << 20)
    publish(of, "", "q", largest)
    same(consume(of, "q", 1)[0][2], largest)

    def too_large():
        publish(of, "", "q", largest + b"x")
        of.queue_declare("q", passive=True)

    text = refused(406, too_large)
    same(
        text,
        "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216",
    )
    connection.channel().queue_delete("q")


def properties_stay():
    of = channel()
    of.queue_declare("q")
    said = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="gzip",
        headers={"text": "v", "number": -5, "yes": True, "list": [1, "a"], "in": {"a": None}},
        delivery_mode=1,
        priority=7,
        correlation_id="c",
        reply_to="answers",
        expiration="60000",
        message_id="m",
        timestamp=1_700_000_000,
        type="t",
        app_id="a",
        cluster_id="x",
    )
    publish(of, "", "q", b"", said)
    _, found, body = consume(of, "q", 1)[0]
    same(body, b"")
    same(vars(found), vars(said))


# Consuming.


def deliveries_are_settled():
    connection = connect()
    of = connection.channel()
    of.queue_declare("q")
    of.basic_qos(prefetch_count=10)
    for number in range(6):
        publish(of, "", "q", str(number).encode())
    found = consume_unsettled(of, "q", 6)
    tags = [method.delivery_tag for method, _, _ in found]
    same([method.redelivered for method, _, _ in found], [False] * 6)
    of.basic_ack(tags[1], multiple=True)
    of.basic_reject(tags[2], requeue=False)
    of.basic_nack(tags[4], multiple=True, requeue=True)
    # 5 is not settled: it goes back with its channel.
    of.close()
    of = connection.channel()
    found = consume(of, "q", 3)
    same([body for _, _, body in found], [b"3", b"4", b"5"])
    same([method.redelivered for method, _, _ in found], [True] * 3)
    same(of.queue_declare("q", passive=True).method.message_count, 0)


def what_waits_for_room_goes_back():
    connection = connect()
    of, other = connection.channel(), connection.channel()
    of.basic_qos(prefetch_count=1, global_qos=True)
    came = []
    for name in ("a", "b"):
        of.queue_declare(name)
        of.basic_consume(name, lambda _, method, properties, body: came.append(method))
    publish(of, "", "a", b"1")
    while not came:
        connection.process_data_events(time_limit=1)
    # There is no room for it on this channel, so another gets it, soon. It says so: others may have overtaken it.
    publish(of, "", "b", b"2")
    [(method, properties, body)] = consume(other, "b", 1)
    same((body, method.redelivered, properties.headers), (b"2", True, None))
    same(len(came), 1)


def deliveries_are_settled_in_time():
    connection = connect()
    of, other = connection.channel(), connection.channel()
    of.queue_declare("q")
    publish(of, "", "q", b"m")
    consume_unsettled(of, "q", 1)

    def busy():
        # Whoever waits for an answer then is told why.
        while True:
            of.basic_qos()

    text = refused(406, busy)
    assert "delivery acknowledgement on channel 1 timed out" in text, text
    method, _, body = other.basic_get("q", auto_ack=True)
    same((method.redelivered, body), (True, b"m"))
    # A queue, and a consumer, may say another time: the common one is over long before.
    longer = {"x-consumer-timeout": 2_000}
    of = connection.channel()
    of.queue_declare("longer", arguments=longer)
    publish(of, "", "longer", b"m")
    publish(of, "", "q", b"m")
    since = time.monotonic()
    consume_unsettled(of, "longer", 1)
    found = []
    of.basic_consume("q", lambda *delivery: found.append(delivery), arguments=longer)
    while not found:
        connection.process_data_events(time_limit=1)

    def busy():
        while True:
            of.basic_qos()

    text = refused(406, busy)
    assert "Timeout value used: 2000 ms" in text, text
    assert time.monotonic() - since >= 2, time.monotonic() - since


def consume_unsettled(of, name, count):
    found = []
    of.basic_consume(name, lambda _, method, properties, body: found.append((method, properties, body)))
    while len(found) < count:
        of.connection.process_data_events(time_limit=1)
    return found


def messages_are_got_one_by_one():
    connection = connect()
    of = connection.channel()
    of.queue_declare("q")
    same(of.basic_get("q")[0], None)
    for number in range(3):
        publish(of, "", "q", str(number).encode())
    method, _, body = of.basic_get("q")
    same((body, method.message_count, method.redelivered), (b"0", 2, False))
    of.basic_ack(method.delivery_tag)
    method, _, body = of.basic_get("q")
    of.basic_nack(method.delivery_tag, requeue=True)
    method, _, body = of.basic_get("q", auto_ack=True)
    same((body, method.redelivered), (b"1", True))
    method, _, body = of.basic_get("q")
    # In a transaction as well.
    other = connection.channel()
    publish(other, "", "q", b"4")
    other.tx_select()
    method, _, body = other.basic_get("q")
    other.basic_ack(method.delivery_tag)
    other.tx_commit()
    of.close()
    of = connection.channel()
    same([body for _, _, body in consume(of, "q", 1)], [b"2"])
    same(of.queue_declare("q", passive=True).method.message_count, 0)


def rejected_messages_become_dead_letters():
    of = channel()
    of.queue_declare("dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    of.queue_declare("q", arguments=arguments)
    publish(of, "", "q", b"x", pika.BasicProperties(headers={"a": "b"}))
    method, _, _ = consume_unsettled(of, "q", 1)[0]
    of.basic_reject(method.delivery_tag, requeue=False)
    _, properties, body = consume(of, "dead", 1)[0]
    same(body, b"x")
    same(properties.headers["a"], "b")


def dead_letters_tell_how_they_died():
    of = channel()
    dead = {"x-dead-letter-exchange": ""}
    of.queue_declare("retry", arguments=dead | {"x-dead-letter-routing-key": "work", "x-message-ttl": 1})
    of.queue_declare("work", arguments=dead | {"x-dead-letter-routing-key": "retry"})
    of.exchange_declare("x")
    of.queue_bind("work", "x", "k")
    headers = {"a": 1, "x-death": "forged", "x-last-death-queue": "forged", "CC": ["cc"], "BCC": ["bcc"]}
    publish(of, "x", "k", b"m", pika.BasicProperties(headers=headers, expiration="60000"))
    came = []
    of.basic_consume("work", lambda *delivery: came.append(delivery))
    for count in (1, 2, 3):
        while len(came) < count:
            of.connection.process_data_events(time_limit=1)
        _, method, properties, _ = came[-1]
        if count < 3:
            of.basic_reject(method.delivery_tag, requeue=False)
    told = properties.headers
    for death in told["x-death"]:
        assert isinstance(death.pop("time"), datetime.datetime)
    retry = {"count": 2, "reason": "expired", "queue": "retry", "exchange": "", "routing-keys": ["retry"]}
    work = {"count": 2, "reason": "rejected", "queue": "work", "exchange": "x", "routing-keys": ["k", "cc"]}
    same(told.pop("x-death"), [retry, work | {"original-expiration": "60000"}])
    first = {"queue": "work", "reason": "rejected", "exchange": "x"}
    last = {"queue": "retry", "reason": "expired", "exchange": ""}
    expected = {f"x-first-death-{name}": value for name, value in first.items()}
    expected |= {f"x-last-death-{name}": value for name, value in last.items()}
    same(told, {"a": 1} | expected)
    same(properties.expiration, None)
    # It goes back, to a reader of another protocol, whom no expiration is told either.
    of.close()
    reader = Stomp()
    reader.subscribe("/queue/work")
    said = reader.messages.get(timeout=WAIT_S).headers
    same((said["x-first-death-queue"], said["a"]), ("work", "1"))
    same([name for name in said if "expiration" in name], [])


# Requests and answers.


def answers_come_directly():
    connection = connect()
    of, lonely = connection.channel(), connection.channel()
    responder = channel()
    responder.queue_declare("requests")
    request = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="c")
    publish(lonely, "", "requests", b"?", request)
    text = refused(406, lambda: lonely.queue_declare("requests", passive=True))
    same(text, "PRECONDITION_FAILED - fast reply consumer does not exist")
    came = queue.Queue()
    tag = of.basic_consume("amq.rabbitmq.reply-to", lambda *found: came.put(found), auto_ack=True)

    def answered(answer):
        publish(of, "", "requests", b"?", request)
        name = answer()
        while came.empty():
            connection.process_data_events(time_limit=WAIT_S)
        _, method, properties, body = came.get()
        same((method.consumer_tag, method.exchange, method.routing_key), (tag, "", name))
        same((properties.correlation_id, body), ("c", b"!"))
        return name

    def by_amqp():
        _, found, _ = consume(responder, "requests", 1)[0]
        declared = responder.queue_declare(found.reply_to, passive=True).method
        same((declared.message_count, declared.consumer_count), (0, 1))
        publish(responder, "", found.reply_to, b"!", pika.BasicProperties(correlation_id="c"))
        return found.reply_to

    def by_stomp():
        reader = Stomp()
        reader.subscribe("/queue/requests")
        said = reader.messages.get(timeout=WAIT_S).headers
        reader.connection.send(said["reply-to"], "!", headers={"correlation-id": "c"})
        reader.connection.unsubscribe("1", receipt="left")
        same(reader.receipts.get(timeout=WAIT_S), "left")
        return said["reply-to"].removeprefix("/reply-queue/")

    name = answered(by_amqp)
    assert name.startswith("amq.rabbitmq.reply-to."), name
    same(answered(by_stomp), name)
    # While the channel is busy with something else.
    publish(responder, "", name, b"1")
    for number in range(100):
        of.queue_declare(f"q{number}", exclusive=True)
    while came.empty():
        connection.process_data_events(time_limit=WAIT_S)
    same(came.get()[3], b"1")
    # Once the requester has gone.
    of.basic_cancel(tag)
    responder.confirm_delivery()
    publish(responder, "", name, b"for nobody")
    try:
        publish(responder, "", name, b"for nobody", mandatory=True)
    except errors.UnroutableError:
        pass
    else:
        raise AssertionError("it is not returned")
    refused(404, lambda: responder.queue_declare(name, passive=True))


# Exchanges.


def exchanges_route_by_their_type():
    of = channel()
    names = {kind: f"of-{kind}" for kind in ("direct", "fanout", "topic", "headers")}
    bindings = {"direct": "k", "fanout": "", "topic": "a.*.#", "headers": ""}
    for kind, name in names.items():
        of.exchange_declare(name, kind)
        of.queue_declare(kind)
        arguments = {"x-match": "all", "a": 1, "b": "x"} if kind == "headers" else None
        of.queue_bind(kind, name, bindings[kind], arguments)
    for kind, name in names.items():
        for key in ("k", "a.b.c", "b"):
            for headers in ({}, {"a": 1, "b": "x", "c": 3}, {"a": "1", "b": "x"}):
                body = json.dumps([key, headers]).encode()
                publish(of, name, key, body, pika.BasicProperties(headers=headers))
    came = {}
    for kind in names:
        count = of.queue_declare(kind, passive=True).method.message_count
        came[kind] = [json.loads(body) for _, _, body in consume(of, kind, count)]
    same({key for key, _ in came["direct"]}, {"k"})
    same(len(came["direct"]), 3)
    same(len(came["fanout"]), 9)
    same({key for key, _ in came["topic"]}, {"a.b.c"})
    same([headers for _, headers in came["headers"]], [{"a": 1, "b": "x", "c": 3}] * 3)


def exchanges_are_bound_to_exchanges():
    of = channel()
    of.exchange_declare("from", "topic")
    of.exchange_declare("to", "fanout")
    of.queue_declare("q")
    of.exchange_bind("to", "from", "a.#")
    of.queue_bind("q", "to")
    publish(of, "from", "a.b", b"1")
    publish(of, "from", "b", b"2")
    same([body for _, _, body in consume(of, "q", 1)], [b"1"])
    same(of.queue_declare("q", passive=True).method.message_count, 0)


# Transactions.


def transactions_take_effect_together():
    connection = connect()
    of, other = connection.channel(), connection.channel()
    of.queue_declare("q", durable=True)
    of.queue_declare("done", durable=True)
    publish(other, "", "q", b"job", PERSISTENT)
    of.tx_select()
    method, _, _ = consume_unsettled(of, "q", 1)[0]
    of.basic_ack(method.delivery_tag)
    publish(of, "", "done", b"1", PERSISTENT)
    of.tx_rollback()
    same(other.queue_declare("done", passive=True).method.message_count, 0)
    # It may be settled again.
    of.basic_ack(method.delivery_tag)
    publish(of, "", "done", b"2", PERSISTENT)
    publish(of, "", "done", b"3")
    same(other.queue_declare("done", passive=True).method.message_count, 0)
    of.tx_commit()
    same([body for _, _, body in consume(other, "done", 2)], [b"2", b"3"])
    of.close()
    same(other.queue_declare("q", passive=True).method.message_count, 0)
    of = connection.channel()
    of.confirm_delivery()
    refused(406, of.tx_select)
    of = connection.channel()
    refused(406, of.tx_commit)
    of = connection.channel()
    of.tx_select()
    publish(of, "nowhere", "", b"x")
    refused(404, of.tx_commit)


# Users.


def logins_are_checked():
    connect().close()
    try:
        connect("guest", "wrong")
    except errors.ProbableAuthenticationError:
        return
    raise AssertionError("a wrong password is taken")


# Other protocols.


class Stomp(stomp.ConnectionListener):
    def __init__(self):
        host, port = LISTENERS["stomp"][0].rsplit(":", 1)
        self.connection = stomp.Connection12([(host, int(port))])
        self.connection.set_listener("", self)
        self.messages = queue.Queue()
        self.receipts = queue.Queue()
        self.connection.connect("guest", "guest", wait=True)

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def subscribe(self, destination):
        self.connection.subscribe(destination, "1", receipt="subscribed")
        same(self.receipts.get(timeout=WAIT_S), "subscribed")


def messages_cross_to_stomp_and_back():
    reader = Stomp()
    reader.subscribe("/topic/plant.*.temp")
    of = channel()
    of.queue_declare("q")
    of.queue_bind("q", "amq.topic", "back.#")
    said = pika.BasicProperties(
        content_type="text/plain",
        headers={"site": "north", "count": 3},
        delivery_mode=2,
        correlation_id="c",
        message_id="m",
        timestamp=5,
    )
    publish(of, "amq.topic", "plant.7.temp", b"21", said)
    frame = reader.messages.get(timeout=WAIT_S)
    same(frame.body, "21")
    expected = {
        "destination": "/topic/plant.7.temp",
        "content-type": "text/plain",
        "site": "north",
        "x-typed-count": "integer",
        "count": "3",
        "persistent": "true",
        "correlation-id": "c",
        "amqp-message-id": "m",
        "timestamp": "5000",
    }
    same({name: frame.headers.get(name) for name in expected}, expected)
    headers = {name: value for name, value in frame.headers.items() if name in expected}
    # This client sends headers in another order, so it cannot say what type one has.
    for name in ("destination", "x-typed-count", "count"):
        del headers[name]
    said.headers = {"site": "north"}
    reader.connection.send("/topic/back.7", frame.body, headers=headers)
    method, found, body = consume(of, "q", 1)[0]
    same((method.exchange, method.routing_key, body), ("amq.topic", "back.7", b"21"))
    same(vars(found), vars(said))


def messages_cross_to_mqtt_and_back():
    messages, ready = queue.Queue(), queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda c, u, message: messages.put(message)
    client.on_connect = lambda c, u, flags, reason, props: client.subscribe("plant/+/temp", 1)
    client.on_subscribe = lambda c, u, mid, reasons, props: ready.put(mid)
    host, port = LISTENERS["mqtt"][0].rsplit(":", 1)
    client.connect(host, int(port))
    client.loop_start()
    ready.get(timeout=WAIT_S)
    of = channel()
    of.queue_declare("q")
    of.queue_bind("q", "amq.topic", "back.#")
    said = pika.BasicProperties(
        content_type="text/plain", headers={"site": "north"}, delivery_mode=2, correlation_id="c"
    )
    publish(of, "amq.topic", "plant.7.temp", b"21", said)
    message = messages.get(timeout=WAIT_S)
    same((message.topic, message.payload, message.qos), ("plant/7/temp", b"21", 1))
    same(message.properties.ContentType, "text/plain")
    same(message.properties.CorrelationData, b"c")
    same(message.properties.UserProperty, [("site", "north")])
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = message.properties.ContentType
    properties.CorrelationData = message.properties.CorrelationData
    properties.UserProperty = message.properties.UserProperty
    client.publish("back/7", message.payload, 1, properties=properties)
    method, found, body = consume(of, "q", 1)[0]
    same((method.exchange, method.routing_key, body), ("amq.topic", "back.7", b"21"))
    same(vars(found), vars(said))
    client.disconnect()


if __name__ == "__main__":
    # A case of another file of this folder stands behind the file's name and a dot.
    FILE, _, CASE = sys.argv[1].rpartition(".")
    (vars(importlib.import_module(FILE)) if FILE else globals())[CASE]()
