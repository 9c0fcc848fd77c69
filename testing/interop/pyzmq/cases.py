"""What libzmq says and understands, as pyzmq uses it. Usage: cases.py CASE MECHANISM HOST PORT

MECHANISM is this side of it: null, zap (NULL with a domain), plain_client, plain_server, curve_client, curve_server. The peer is in the test.
"""

import sys
import threading

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

# Never waited out when all is well.
WAIT_MS = 60_000

MECHANISM, HOST, PORT = sys.argv[2], sys.argv[3], sys.argv[4]

# The keys of libzmq's own test.
SERVER_PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SERVER_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_PUBLIC = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

context = zmq.Context()
sockets = []


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def handle_zap(status):
    """Answers every request for authentication with this status."""
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")

    def run():
        while True:
            try:
                version, request_id, _domain, address, _identity, mechanism, *credentials = handler.recv_multipart()
            except zmq.ContextTerminated:
                # Nobody else may close a socket of this thread.
                handler.close(0)
                return
            same(version, b"1.0")
            same(address, b"127.0.0.1")
            if mechanism == b"PLAIN":
                same(credentials, [b"admin", b"secret"])
            if mechanism == b"CURVE":
                same(credentials, [z85.decode(CLIENT_PUBLIC)])
            handler.send_multipart([version, request_id, status, b"", b"somebody", b""])

    threading.Thread(target=run, daemon=True).start()


def prepare(of):
    of.linger = WAIT_MS
    of.rcvtimeo = of.sndtimeo = WAIT_MS
    # A refused peer is not to come again.
    of.reconnect_ivl = -1
    if MECHANISM == "zap":
        of.zap_domain = b"global"
    elif MECHANISM == "plain_client":
        of.plain_username, of.plain_password = b"admin", b"secret"
    elif MECHANISM == "plain_server":
        of.plain_server = True
    elif MECHANISM == "curve_client":
        of.curve_serverkey = SERVER_PUBLIC
        of.curve_publickey, of.curve_secretkey = CLIENT_PUBLIC, CLIENT_SECRET
    elif MECHANISM == "curve_server":
        of.curve_server = True
        of.curve_secretkey = SERVER_SECRET
    else:
        same(MECHANISM, "null")


def socket(kind, status=b"200", **options):
    if MECHANISM in ("zap", "plain_server", "curve_server"):
        handle_zap(status)
    of = context.socket(kind)
    sockets.append(of)
    prepare(of)
    for name, value in options.items():
        setattr(of, name, value)
    return of


def connect(kind, status=b"200", **options):
    of = socket(kind, status, **options)
    of.connect(f"tcp://{HOST}:{PORT}")
    return of


def exchange(of):
    for size in [0, 1, 255, 256, 70_000, 2_000_000]:
        message = [b"", b"head", b"x" * size]
        of.send_multipart(message)
        same(of.recv_multipart(), message)


def bodies_of_any_size_come_back():
    exchange(connect(zmq.PAIR))


def it_binds_and_is_found():
    of = socket(zmq.PAIR)
    port = of.bind_to_random_port(f"tcp://{HOST}")
    print(port, flush=True)
    exchange(of)


def an_identity_is_told():
    of = connect(zmq.DEALER, routing_id=b"me")
    of.send_multipart([b"", b"question"])
    same(of.recv_multipart(), [b"", b"answer"])


def it_subscribes():
    of = connect(zmq.SUB)
    of.subscribe(b"a")
    same(of.recv_multipart(), [b"a1", b"body"])
    of.unsubscribe(b"a")
    of.subscribe(b"end")
    same(of.recv_multipart(), [b"end"])


def it_publishes():
    of = connect(zmq.XPUB)
    same(of.recv(), b"\1topic")
    of.send_multipart([b"other", b"not for them"])
    of.send_multipart([b"topic.1", b"body"])
    same(of.recv(), b"\0topic")


def it_beats():
    of = connect(zmq.PAIR, heartbeat_ivl=20, heartbeat_timeout=10_000, heartbeat_ttl=10_000)
    same(of.recv(), b"enough")
    of.send(b"end")


def it_is_refused():
    """Says by which event it learns of it."""
    of = socket(zmq.PAIR)
    monitor = of.get_monitor_socket()
    monitor.rcvtimeo = WAIT_MS
    of.connect(f"tcp://{HOST}:{PORT}")
    while True:
        event = recv_monitor_message(monitor)
        if event["event"] == zmq.Event.HANDSHAKE_FAILED_AUTH:
            print("auth", event["value"], flush=True)
            break
        if event["event"] == zmq.Event.HANDSHAKE_FAILED_PROTOCOL:
            print("protocol", hex(event["value"]), flush=True)
            break
    monitor.close(0)
    of.disable_monitor()
    of.linger = 0


def it_refuses():
    of = connect(zmq.PAIR, status=b"400")
    of.linger = 0
    # Until the test has seen it.
    sys.stdin.read()


globals()[sys.argv[1]]()
for each in sockets:
    each.close()
context.term()
