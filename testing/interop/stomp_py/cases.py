"""Features of STOMP as stomp.py uses them. Usage: cases.py CASE VERSION HOST PORT"""

import queue
import sys
import threading

import stomp

# Never waited out when all is well.
WAIT_S = 60

CONNECTIONS = {
    "1.0": stomp.StompConnection10,
    "1.1": stomp.StompConnection11,
    "1.2": stomp.StompConnection12,
}

VERSION, HOST, PORT = sys.argv[2], sys.argv[3], int(sys.argv[4])


class Inbox(stomp.ConnectionListener):
    """What came, in queues that can be waited on."""

    def __init__(self):
        self.messages = queue.Queue()
        self.receipts = queue.Queue()
        self.errors = queue.Queue()
        self.beats = queue.Queue()
        self.timeouts = queue.Queue()
        self.connected = queue.Queue()
        self.closed = threading.Event()

    def on_connected(self, frame):
        self.connected.put(frame)

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_heartbeat(self):
        self.beats.put(None)

    def on_heartbeat_timeout(self):
        self.timeouts.put(None)

    def on_disconnected(self):
        self.closed.set()


class Client:
    def __init__(self, **options):
        # Bodies stay bytes.
        self.connection = CONNECTIONS[VERSION]([(HOST, PORT)], auto_decode=False, **options)
        self.inbox = Inbox()
        self.connection.set_listener("inbox", self.inbox)
        self.connection.connect(wait=True)
        self.receipts = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.disconnect(receipt="goodbye")
        self.expect_receipt("goodbye")

    def expect_receipt(self, receipt):
        same(self.inbox.receipts.get(timeout=WAIT_S), receipt)

    def next_receipt(self):
        self.receipts += 1
        return f"receipt {self.receipts}"

    def send(self, destination, body, **headers):
        """Returns when the broker has it."""
        receipt = self.next_receipt()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.send(destination, body, headers={**headers, "receipt": receipt})
        self.expect_receipt(receipt)

    def subscribe(self, destination, identity="1", ack="auto", **headers):
        """Returns when it is subscribed."""
        receipt = self.next_receipt()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.subscribe(
            destination, identity, ack, headers={**headers, "receipt": receipt}
        )
        self.expect_receipt(receipt)

    def message(self):
        return self.inbox.messages.get(timeout=WAIT_S)

    def bodies(self, count):
        return [self.message().body for _ in range(count)]

    def nothing_more(self):
        """The broker answers all before it answers this."""
        self.send("/topic/nobody.listens", b"")
        same(self.inbox.messages.qsize(), 0)

    def settle(self, verb, frame):
        settle = getattr(self.connection, verb)
        if VERSION == "1.0":
            settle(frame.headers["message-id"])
        elif VERSION == "1.1":
            settle(frame.headers["message-id"], frame.headers["subscription"])
        else:
            settle(frame.headers["ack"])


def same(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")


def name(case):
    return f"{case}.{VERSION.replace('.', '_')}"


def is_redelivered(frame):
    return frame.headers.get("redelivered") == "true"


def connects_and_disconnects():
    with Client() as client:
        headers = client.inbox.connected.get(timeout=WAIT_S).headers
        same(headers.get("version", "1.0"), VERSION)


def sends_through_a_queue_and_a_topic():
    for place in ("/queue/", "/topic/"):
        with Client() as receiver, Client() as sender:
            destination = place + name("both")
            receiver.subscribe(destination)
            for index in range(20):
                sender.send(destination, b"%d" % index)
            frames = [receiver.message() for _ in range(20)]
            same([frame.body for frame in frames], [b"%d" % index for index in range(20)])
            for frame in frames:
                same(frame.headers["destination"], destination)
                same(frame.headers.get("subscription"), "1")
            same(len({frame.headers["message-id"] for frame in frames}), 20)
            receiver.nothing_more()


def wildcards_match_levels():
    rows = {
        "one.*.three": ["one.two.three"],
        "one.#": ["one.two.three", "one", "one.two", "one.two.three.four"],
        "#": ["one.two.three", "one", "one.two", "one.two.three.four", "other"],
        "*": ["one", "other"],
    }
    keys = ["one.two.three", "one", "one.two", "one.two.three.four", "other"]
    for pattern, expected in rows.items():
        with Client() as client:
            client.subscribe(f"/topic/{pattern}")
            for key in keys:
                client.send(f"/topic/{key}", key.encode())
            same(client.bodies(len(expected)), [key.encode() for key in expected])
            same(client.inbox.messages.qsize(), 0)


def activemq_spellings_lead_to_the_same():
    with Client() as client:
        queue = name("spelled")
        topic = queue + ".a.b"
        client.subscribe("queue://" + queue)
        for destination in (queue, "queue://" + queue, "/queue/" + queue):
            client.send(destination, destination.encode())
            same(client.message().body, destination.encode())
        client.connection.unsubscribe(id="1")
        client.subscribe("topic://" + queue + ".>", "2")
        for destination in ("topic://" + topic, "/topic/" + topic):
            client.send(destination, destination.encode())
            same(client.message().body, destination.encode())


def binary_bodies_stay():
    bodies = [bytes(range(256)) * 3, b"\0", b"\n\0\n\n", b"", b"\xff\xfe" * 100_000]
    with Client() as client:
        client.subscribe("/queue/" + name("binary"))
        for body in bodies:
            client.send("/queue/" + name("binary"), body)
        same(client.bodies(len(bodies)), bodies)


HEADERS = {
    "größe": "日本語 ✓",
    "content-type": "application/x-öl; charset=utf-8",
    "empty": "",
    "UPPER": "Case Stays",
    "x_under.dot-dash": "1=2;3,4",
    "correlation-id": "c 1",
    "reply-to": "/queue/answers",
    "priority": "7",
    "expires": "0",
    "type": "t",
    "timestamp": "1700000000000",
}


def check_headers(headers):
    with Client() as client:
        destination = "/queue/" + name("headers")
        client.subscribe(destination)
        client.send(destination, "früh ☀".encode(), **headers)
        frame = client.message()
        same(frame.body.decode(), "früh ☀")
        for key, value in headers.items():
            key = key.replace("_", "-")
            same((key, frame.headers.get(key)), (key, value))


def headers_stay():
    check_headers(HEADERS)


def escaped_headers_stay():
    # stomp.py escapes values, not names.
    check_headers({"colon": "a:b::c", "backslash": "\\n is not \n", "spaces": "  two  "})


def receipts_come():
    with Client() as client:
        for index in range(200):
            client.connection.send(
                "/queue/" + name("receipts"),
                b"x",
                headers={"receipt": f"r-{index}", "persistent": "true" if index % 2 else "false"},
            )
        found = {client.inbox.receipts.get(timeout=WAIT_S) for _ in range(200)}
        same(found, {f"r-{index}" for index in range(200)})
        client.subscribe("/queue/" + name("receipts"))
        client.bodies(200)
        client.connection.unsubscribe(id="1", headers={"receipt": "unsubscribed"})
        client.expect_receipt("unsubscribed")


def fill(destination, count):
    with Client() as client:
        for index in range(count):
            client.send(destination, b"%d" % index)


def rest(destination, expected):
    """Takes all that is left; the broker put it there before, so it comes at once."""
    with Client() as client:
        client.subscribe(destination)
        frames = [client.message() for _ in expected]
        same([frame.body for frame in frames], expected)
        client.nothing_more()
        return frames


def auto_needs_no_ack():
    destination = "/queue/" + name("auto")
    fill(destination, 3)
    rest(destination, [b"0", b"1", b"2"])
    rest(destination, [])


def client_acks_are_cumulative():
    destination = "/queue/" + name("cumulative")
    fill(destination, 5)
    with Client() as client:
        client.subscribe(destination, ack="client", prefetch_count="10")
        frames = [client.message() for _ in range(5)]
        same([is_redelivered(frame) for frame in frames], [False] * 5)
        client.settle("ack", frames[2])
    frames = rest(destination, [b"3", b"4"])
    same([is_redelivered(frame) for frame in frames], [True] * 2)


def client_individual_acks_are_single():
    destination = "/queue/" + name("individual")
    fill(destination, 5)
    with Client() as client:
        client.subscribe(destination, ack="client-individual", prefetch_count="10")
        frames = [client.message() for _ in range(5)]
        client.settle("ack", frames[2])
        client.settle("ack", frames[4])
    rest(destination, [b"0", b"1", b"3"])


def nack_brings_it_back():
    destination = "/queue/" + name("nack")
    fill(destination, 2)
    with Client() as client:
        client.subscribe(destination, ack="client-individual", prefetch_count="1")
        first = client.message()
        same((first.body, is_redelivered(first)), (b"0", False))
        client.settle("nack", first)
        again = client.message()
        same((again.body, is_redelivered(again)), (b"0", True))
        client.settle("ack", again)
        second = client.message()
        same((second.body, is_redelivered(second)), (b"1", False))
        client.settle("ack", second)
    rest(destination, [])


def prefetch_count_limits_deliveries():
    destination = "/queue/" + name("prefetch")
    fill(destination, 5)
    with Client() as client:
        # 1.0 knows no client-individual; both may be limited.
        client.subscribe(destination, ack="client", prefetch_count="2")
        frames = [client.message(), client.message()]
        client.nothing_more()
        client.settle("ack", frames[0])
        same(client.message().body, b"2")
        client.nothing_more()


def heart_beats_go_both_ways():
    with Client(heartbeats=(200, 200)) as client:
        for _ in range(5):
            client.inbox.beats.get(timeout=WAIT_S)
        same(client.inbox.timeouts.qsize(), 0)
        same(client.connection.is_connected(), True)
        client.send("/queue/" + name("beats"), b"still there")


def garbage_gets_an_error():
    client = Client()
    client.connection.transport.send(b"GARBAGE\nnot a header\n\n\0")
    client.inbox.errors.get(timeout=WAIT_S)
    if not client.inbox.closed.wait(WAIT_S):
        raise AssertionError("the connection is still open")


def sends_persistent_messages():
    with Client() as client:
        for index in range(100):
            client.send("/queue/kept", b"%d" % index, persistent="true", number=str(index))


def finds_persistent_messages():
    with Client() as client:
        client.subscribe("/queue/kept")
        for index in range(100):
            frame = client.message()
            same(frame.body, b"%d" % index)
            same(frame.headers["number"], str(index))
            same(frame.headers["persistent"], "true")
        client.nothing_more()


globals()[sys.argv[1]]()
