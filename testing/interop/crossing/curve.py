"""ZeroMQ's sockets with CURVE, by pyzmq, where the broker speaks nothing else: the keys of libzmq's own test, and one client that is listed."""

import zmq
from ends import LISTENERS, Amqp, Mqtt, Stomp, same
from sockets import BODY, JOBS, REQUESTS, WAIT_MS, connected, context, publisher, subscribed
from zmq.utils.monitor import recv_monitor_message

SERVER_PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
CLIENT_PUBLIC = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

KEYS = dict(curve_serverkey=SERVER_PUBLIC, curve_publickey=CLIENT_PUBLIC, curve_secretkey=CLIENT_SECRET)

COUNT = 1000


def zmq_curve_queues():
    push, pull = connected(zmq.PUSH, **KEYS), connected(zmq.PULL, **KEYS)
    # Of all lengths about those where frames, and boxes, have longer heads.
    sent = [[b"%d" % number, b"x" * number] for number in range(COUNT - 1)] + [[b"", BODY * 10_000]]
    for frames in sent:
        push.send_multipart(frames)
    same([pull.recv_multipart() for _ in sent], sent)


def zmq_curve_topics():
    subscriber = subscribed(b"plant.7", rcvhwm=0, **KEYS)
    # It drops what it has no room for.
    of = publisher(sndhwm=0, **KEYS)
    for number in range(COUNT):
        of.send_multipart([b"plant.8.temp", b"not wanted"])
        of.send_multipart([b"plant.7.temp", b"%d" % number, BODY])
    for number in range(COUNT):
        same(subscriber.recv_multipart(), [b"plant.7.temp", b"%d" % number, BODY])


def zmq_curve_requests():
    req, rep = connected(zmq.REQ, REQUESTS, **KEYS), connected(zmq.REP, REQUESTS, **KEYS)
    for number in range(100):
        req.send_multipart([b"ask", b"%d" % number])
        same(rep.recv_multipart(), [b"ask", b"%d" % number])
        rep.send_multipart([b"%d" % number, b"", BODY])
        same(req.recv_multipart(), [b"%d" % number, b"", BODY])


def zmq_curve_crosses():
    stomp, mqtt_end = Stomp(), Mqtt()
    mqtt_end.subscribe("plant/+/temp")
    publisher(**KEYS).send_multipart([b"plant.7.temp", BODY])
    message = mqtt_end.take()
    same((message.topic, message.payload), ("plant/7/temp", BODY))
    subscriber = subscribed(b"plant.", **KEYS)
    mqtt_end.send("plant/m", BODY)
    same(subscriber.recv_multipart(), [b"plant.m", BODY])
    connected(zmq.PUSH, **KEYS).send(BODY)
    stomp.subscribe("/queue/jobs")
    same(stomp.take(), ("/queue/jobs", {}, BODY))


def fails(**options):
    """By which event a PUSH that has something to send learns that it is not let in."""
    of = context.socket(zmq.PUSH)
    of.linger = 0
    for name, value in options.items():
        setattr(of, name, value)
    monitor = of.get_monitor_socket()
    monitor.rcvtimeo = WAIT_MS
    of.connect("tcp://" + LISTENERS["zmtp"][JOBS])
    of.send(b"of a stranger")
    failed = (
        zmq.Event.HANDSHAKE_FAILED_NO_DETAIL,
        zmq.Event.HANDSHAKE_FAILED_PROTOCOL,
        zmq.Event.HANDSHAKE_FAILED_AUTH,
    )
    while True:
        found = recv_monitor_message(monitor)
        assert found["event"] != zmq.Event.HANDSHAKE_SUCCEEDED, options
        if found["event"] in failed:
            break
    # It comes again and again until it is closed.
    of.disable_monitor()
    of.close()
    return found["event"]


def zmq_curve_strangers():
    # The broker closes before it says what it speaks.
    same(fails(), zmq.Event.HANDSHAKE_FAILED_NO_DETAIL)
    plain = dict(plain_username=b"guest", plain_password=b"guest")
    same(fails(**plain), zmq.Event.HANDSHAKE_FAILED_NO_DETAIL)
    # Nobody can open the first box.
    wrong = {**KEYS, "curve_serverkey": CLIENT_PUBLIC}
    same(fails(**wrong), zmq.Event.HANDSHAKE_FAILED_NO_DETAIL)
    # Who knows the broker, and is not listed, is told.
    public, secret = zmq.curve_keypair()
    unlisted = {**KEYS, "curve_publickey": public, "curve_secretkey": secret}
    same(fails(**unlisted), zmq.Event.HANDSHAKE_FAILED_AUTH)
    # Nothing that they sent has come before this, nor did any of them make the queue.
    amqp = Amqp()
    connected(zmq.PUSH, **KEYS).send(b"of the client")
    pull = connected(zmq.PULL, **KEYS)
    same(pull.recv(), b"of the client")
    same(amqp.channel.queue_declare("jobs", passive=True).method.message_count, 0)
