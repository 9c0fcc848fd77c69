"""One side of a dialogue between sockets; the other is `barid-zmq`. Usage: sockets.py ROLE bind|connect ENDPOINT null|plain|curve

As pyzmq's, for what that has not: the draft types and WebSocket, of the libzmq that the variable LIBZMQ names. Who binds says where on standard
output, and is the server of the mechanism.
"""

import ctypes
import os
import sys
import threading

# Never waited out when all is well.
WAIT_MS = 60_000
SIZES = [0, 1, 33, 54, 55, 124, 125, 126, 255, 256, 1023, 1024, 8191, 8192, 65_534, 65_535, 65_536, 1_000_000]

# The keys of libzmq's own test.
SERVER_PUBLIC = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SERVER_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_PUBLIC = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

TYPES = "pair pub sub req rep dealer router pull push xpub xsub stream server client radio dish gather scatter dgram peer channel".split()
ROUTING_ID, SUBSCRIBE, UNSUBSCRIBE, LINGER, RCVTIMEO, SNDTIMEO, LAST_ENDPOINT = 5, 6, 7, 17, 27, 28, 32
PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD = 44, 45, 46
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 47, 48, 49, 50
SNDMORE = 2

ROLE, MODE, ENDPOINT, SECURITY = sys.argv[1:5]

lib = ctypes.CDLL(os.environ["LIBZMQ"])
for name in ("zmq_ctx_new", "zmq_socket", "zmq_msg_data"):
    getattr(lib, name).restype = ctypes.c_void_p
for name in ("zmq_strerror", "zmq_msg_group"):
    getattr(lib, name).restype = ctypes.c_char_p
lib.zmq_msg_size.restype = ctypes.c_size_t
lib.zmq_msg_routing_id.restype = lib.zmq_connect_peer.restype = ctypes.c_uint32

context = ctypes.c_void_p(lib.zmq_ctx_new())


def check(code):
    if code == -1:
        raise OSError(lib.zmq_strerror(lib.zmq_errno()).decode())
    return code


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


class Message:
    """A frame, with what the draft types know of it."""

    def __init__(self, body=b""):
        self.place = (ctypes.c_uint64 * 8)()
        check(lib.zmq_msg_init_size(self.place, ctypes.c_size_t(len(body))))
        ctypes.memmove(lib.zmq_msg_data(self.place), body, len(body))

    @property
    def body(self):
        return ctypes.string_at(lib.zmq_msg_data(self.place), lib.zmq_msg_size(self.place))

    def take_body(self):
        body = self.body
        lib.zmq_msg_close(self.place)
        return body


class Socket:
    def __init__(self, kind, **bytes_options):
        self.socket = ctypes.c_void_p(lib.zmq_socket(context, TYPES.index(kind)))
        if kind not in ("sub", "xsub", "dish"):
            self.set(LINGER, WAIT_MS)
        self.set(RCVTIMEO, WAIT_MS)
        self.set(SNDTIMEO, WAIT_MS)
        for name, value in bytes_options.items():
            self.set(globals()[name], value)
        self.peer = None
        if MODE == "bind":
            self.serve()
            check(lib.zmq_bind(self.socket, ENDPOINT.encode()))
            place, length = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
            check(lib.zmq_getsockopt(self.socket, LAST_ENDPOINT, place, ctypes.byref(length)))
            print(place.value.decode() or ENDPOINT, flush=True)
            return
        if SECURITY == "plain":
            self.set(PLAIN_USERNAME, b"admin")
            self.set(PLAIN_PASSWORD, b"secret")
        elif SECURITY == "curve":
            self.set(CURVE_SERVERKEY, SERVER_PUBLIC)
            self.set(CURVE_PUBLICKEY, CLIENT_PUBLIC)
            self.set(CURVE_SECRETKEY, CLIENT_SECRET)
        if kind == "peer":
            self.peer = lib.zmq_connect_peer(self.socket, ENDPOINT.encode())
            assert self.peer, "it does not connect"
        else:
            check(lib.zmq_connect(self.socket, ENDPOINT.encode()))

    def serve(self):
        """Makes it the server of the mechanism."""
        if SECURITY != "null":
            Authenticator()
        if SECURITY == "plain":
            self.set(PLAIN_SERVER, 1)
        elif SECURITY == "curve":
            self.set(CURVE_SERVER, 1)
            self.set(CURVE_SECRETKEY, SERVER_SECRET)

    def set(self, option, value):
        if isinstance(value, bytes):
            check(lib.zmq_setsockopt(self.socket, option, value, ctypes.c_size_t(len(value))))
        else:
            number = ctypes.c_int(value)
            check(lib.zmq_setsockopt(self.socket, option, ctypes.byref(number), ctypes.c_size_t(4)))

    def send(self, *frames):
        for index, frame in enumerate(frames):
            more = SNDMORE if index + 1 < len(frames) else 0
            check(lib.zmq_send(self.socket, frame, ctypes.c_size_t(len(frame)), more))

    def send_message(self, message):
        check(lib.zmq_msg_send(message.place, self.socket, 0))

    def send_to(self, peer, body):
        message = Message(body)
        check(lib.zmq_msg_set_routing_id(message.place, ctypes.c_uint32(peer)))
        self.send_message(message)

    def send_group(self, group, body):
        message = Message(body)
        check(lib.zmq_msg_set_group(message.place, group))
        self.send_message(message)

    def recv_message(self):
        message = Message()
        check(lib.zmq_msg_recv(message.place, self.socket, 0))
        return message

    def recv(self):
        frames = []
        while True:
            message = self.recv_message()
            more = lib.zmq_msg_more(message.place)
            frames.append(message.take_body())
            if not more:
                return frames

    def recv_from(self):
        message = self.recv_message()
        peer = lib.zmq_msg_routing_id(message.place)
        return peer, message.take_body()

    def recv_group(self):
        message = self.recv_message()
        group = lib.zmq_msg_group(message.place)
        return group, message.take_body()

    def close(self):
        check(lib.zmq_close(self.socket))


class Authenticator:
    """Lets in who has the right password or key. 27/ZAP"""

    def __init__(self):
        self.socket = ctypes.c_void_p(lib.zmq_socket(context, TYPES.index("rep")))
        check(lib.zmq_bind(self.socket, b"inproc://zeromq.zap.01"))
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        try:
            while True:
                _, request, _, _, _, mechanism, *credentials = Socket.recv(self)
                if mechanism == b"PLAIN":
                    is_right = credentials == [b"admin", b"secret"]
                else:
                    key = ctypes.create_string_buffer(41)
                    lib.zmq_z85_encode(key, credentials[0], ctypes.c_size_t(32))
                    is_right = key.value == CLIENT_PUBLIC
                Socket.send(self, b"1.0", request, b"200" if is_right else b"400", b"", b"", b"")
        except OSError:
            # The context is shut down.
            lib.zmq_close(self.socket)

    recv_message = Socket.recv_message


def messages():
    for size in SIZES:
        yield [b"x" * size]
        yield [b"head", b"", b"x" * size]


def push(of):
    for message in messages():
        of.send(*message)


def pull(of):
    for message in messages():
        same(of.recv(), message)


def req(of):
    for index in range(20):
        of.send(b"q", b"%d" % index)
        same(of.recv(), [b"r", b"%d" % index])


def rep(of):
    for index in range(20):
        same(of.recv(), [b"q", b"%d" % index])
        of.send(b"r", b"%d" % index)


def dealer(of):
    for index in range(20):
        of.send(b"", b"q", b"%d" % index)
        same(of.recv(), [b"", b"r", b"%d" % index])


def router(of):
    for index in range(20):
        name, *rest = of.recv()
        same(rest, [b"", b"q", b"%d" % index])
        of.send(name, b"", b"r", b"%d" % index)


def until_told(send):
    """Sends again and again until standard input ends."""
    told = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
    while not told.wait(0.005):
        send()


def pub(of):
    until_told(lambda: (of.send(b"b", b"not wanted"), of.send(b"a", b"wanted")))


def sub(of):
    of.set(SUBSCRIBE, b"a")
    for index in range(10):
        same(of.recv(), [b"a", b"%d" % index])
    of.set(UNSUBSCRIBE, b"a")
    of.set(SUBSCRIBE, b"end")
    same(of.recv(), [b"end"])


def xpub(of):
    same(of.recv(), [b"\x01a"])
    of.send(b"b", b"not wanted")
    of.send(b"a", b"wanted")
    same(of.recv(), [b"\x00a"])


def xsub(of):
    of.send(b"\x01a")
    same(of.recv(), [b"a", b"wanted"])
    of.send(b"upstream")
    of.send(b"\x00a")


def pair(of):
    of.send(b"hi")
    same(of.recv(), [b"ho", b"ho"])


def channel(of):
    of.send(b"hi")
    same(of.recv(), [b"ho"])


def client(of):
    for size in SIZES:
        of.send(b"q" * size)
        same(of.recv(), [b"r" * size])


def server(of):
    for size in SIZES:
        peer, body = of.recv_from()
        same(body, b"q" * size)
        of.send_to(peer, b"r" * size)


def peer(of):
    """Who connects asks, who binds answers."""
    if of.peer is None:
        return server(of)
    for size in SIZES:
        of.send_to(of.peer, b"q" * size)
        found, body = of.recv_from()
        same((found, body), (of.peer, b"r" * size))


def scatter(of):
    for size in SIZES:
        of.send(b"x" * size)


def gather(of):
    for size in SIZES:
        same(of.recv(), [b"x" * size])


def radio(of):
    until_told(lambda: (of.send_group(b"b", b"not wanted"), of.send_group(b"a", b"wanted")))


def dish(of):
    check(lib.zmq_join(of.socket, b"a"))
    for index in range(10):
        same(of.recv_group(), (b"a", b"%d" % index))
    check(lib.zmq_leave(of.socket, b"a"))
    check(lib.zmq_join(of.socket, b"end"))
    same(of.recv_group(), (b"end", b""))


def dish_of_datagrams(of):
    """Whoever sends does so until this has ended."""
    check(lib.zmq_join(of.socket, b"a"))
    same(of.recv_group(), (b"a", b"x" * 8000))


KIND = "dish" if ROLE == "dish_of_datagrams" else ROLE
of = Socket(KIND, ROUTING_ID=b"anna") if KIND == "dealer" else Socket(KIND)
globals()[ROLE](of)
of.close()
# Ends the authenticator, not what is still to be sent: that is waited for.
check(lib.zmq_ctx_shutdown(context))
check(lib.zmq_ctx_term(context))
