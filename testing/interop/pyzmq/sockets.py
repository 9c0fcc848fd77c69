"""One side of a dialogue between sockets; the other is `barid-zmq`, or this again. Usage: sockets.py ROLE bind|connect ENDPOINT null|plain|curve

Who binds says where on standard output, and is the server of the mechanism.
"""

import sys
import threading

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

# Never waited out when all is well.
WAIT_MS = 60_000
SIZES = [0, 1, 33, 54, 55, 124, 125, 126, 255, 256, 1023, 1024, 8191, 8192, 65_534, 65_535, 65_536, 1_000_000]

# The keys of libzmq's own test.
SERVER_PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SERVER_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_PUBLIC = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

ROLE, MODE, ENDPOINT, SECURITY = sys.argv[1:5]

context = zmq.Context()
authenticators = []


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def serve(of):
    """Makes a socket the server of the mechanism."""
    if SECURITY == "null":
        return
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticators.append(authenticator)
    if SECURITY == "plain":
        authenticator.configure_plain(domain="*", passwords={"admin": "secret"})
        of.plain_server = True
    else:
        authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
        of.curve_server = True
        of.curve_secretkey = SERVER_SECRET


def socket(kind, **options):
    of = context.socket(kind)
    if kind not in (zmq.SUB, zmq.XSUB):
        of.linger = WAIT_MS
    of.rcvtimeo = of.sndtimeo = WAIT_MS
    for name, value in options.items():
        setattr(of, name, value)
    if MODE == "bind":
        serve(of)
        of.bind(ENDPOINT)
        print(of.last_endpoint.decode().rstrip("\0"), flush=True)
        return of
    if SECURITY == "plain":
        of.plain_username, of.plain_password = b"admin", b"secret"
    elif SECURITY == "curve":
        of.curve_serverkey = SERVER_PUBLIC
        of.curve_publickey, of.curve_secretkey = CLIENT_PUBLIC, CLIENT_SECRET
    of.connect(ENDPOINT)
    return of


def messages():
    for size in SIZES:
        yield [b"x" * size]
        yield [b"head", b"", b"x" * size]


def push():
    of = socket(zmq.PUSH)
    for message in messages():
        of.send_multipart(message)


def pull():
    of = socket(zmq.PULL)
    for message in messages():
        same(of.recv_multipart(), message)


def req():
    of = socket(zmq.REQ)
    for index in range(20):
        of.send_multipart([b"q", b"%d" % index])
        same(of.recv_multipart(), [b"r", b"%d" % index])


def rep():
    of = socket(zmq.REP)
    for index in range(20):
        same(of.recv_multipart(), [b"q", b"%d" % index])
        of.send_multipart([b"r", b"%d" % index])


def dealer():
    of = socket(zmq.DEALER, routing_id=b"anna")
    for index in range(20):
        of.send_multipart([b"", b"q", b"%d" % index])
        same(of.recv_multipart(), [b"", b"r", b"%d" % index])


def router():
    of = socket(zmq.ROUTER, router_mandatory=1)
    for index in range(20):
        name, *rest = of.recv_multipart()
        same(rest, [b"", b"q", b"%d" % index])
        of.send_multipart([name, b"", b"r", b"%d" % index])


def pub():
    of = socket(zmq.PUB)
    told = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
    while not told.wait(0.005):
        of.send_multipart([b"b", b"not wanted"])
        of.send_multipart([b"a", b"wanted"])


def sub():
    of = socket(zmq.SUB)
    of.subscribe(b"a")
    for index in range(10):
        same(of.recv_multipart(), [b"a", b"%d" % index])
    of.unsubscribe(b"a")
    of.subscribe(b"end")
    same(of.recv(), b"end")


def xpub():
    of = socket(zmq.XPUB)
    same(of.recv(), b"\x01a")
    of.send_multipart([b"b", b"not wanted"])
    of.send_multipart([b"a", b"wanted"])
    same(of.recv(), b"\x00a")


def xsub():
    of = socket(zmq.XSUB)
    of.send(b"\x01a")
    same(of.recv_multipart(), [b"a", b"wanted"])
    of.send(b"upstream")
    of.send(b"\x00a")


def pair():
    of = socket(zmq.PAIR)
    of.send(b"hi")
    same(of.recv_multipart(), [b"ho", b"ho"])


def read(of, name, count):
    """As many bytes of a peer, which come in any pieces."""
    found = b""
    while len(found) < count:
        sender, piece = of.recv_multipart()
        same(sender, name)
        assert piece, f"it has gone after {len(found)} bytes"
        found += piece
    return found


def stream():
    """Who connects asks and closes, who binds sends back what comes."""
    of = socket(zmq.STREAM)
    name, none = of.recv_multipart()
    same(none, b"")
    if MODE == "connect":
        same(name, of.routing_id)
    for size in SIZES[1:]:
        if MODE == "connect":
            of.send_multipart([name, b"x" * size])
        same(read(of, name, size), b"x" * size)
        if MODE == "bind":
            of.send_multipart([name, b"x" * size])
    if MODE == "connect":
        of.send_multipart([name, b""])
    else:
        same(of.recv_multipart(), [name, b""])


def other_pair():
    of = socket(zmq.PAIR)
    same(of.recv(), b"hi")
    of.send_multipart([b"ho", b"ho"])


def other_xpub():
    of = socket(zmq.XPUB)
    same(of.recv(), b"\x01a")
    of.send_multipart([b"b", b"not wanted"])
    of.send_multipart([b"a", b"wanted"])
    same(of.recv(), b"upstream")
    same(of.recv(), b"\x00a")


def other_sub():
    of = socket(zmq.SUB)
    of.subscribe(b"a")
    same(of.recv_multipart(), [b"a", b"wanted"])
    of.unsubscribe(b"a")


globals()[ROLE]()
for authenticator in authenticators:
    authenticator.stop()
# Without this the process ends though not all is sent.
context.destroy()
