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
    with Client(heartbeats=(500, 500)) as client:
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


def commit(client, transaction):
    receipt = client.next_receipt()
    client.connection.commit(transaction, headers={"receipt": receipt})
    client.expect_receipt(receipt)


def transactions_take_effect_together():
    places = ["/queue/" + name(f"together{index}") for index in range(4)]
    with Client() as reader, Client() as client:
        for index, place in enumerate(places):
            reader.subscribe(place, str(index))
        transaction = client.connection.begin()
        for index in range(8):
            client.connection.send(
                places[index % 4], b"%d" % index, transaction=transaction, persistent="true"
            )
        client.send("/topic/nobody.listens", b"")
        reader.nothing_more()
        commit(client, transaction)
        same(sorted(reader.bodies(8)), [b"%d" % index for index in range(8)])

        transaction = client.connection.begin()
        client.connection.send(places[0], b"never", transaction=transaction)
        client.connection.abort(transaction)
        client.send(places[0], b"behind")
        same(reader.message().body, b"behind")


def acks_in_a_transaction_wait_for_its_end():
    destination = "/queue/" + name("acked")
    answers = "/queue/" + name("answers")
    fill(destination, 2)
    with Client() as client:
        client.subscribe(destination, ack="client")
        first = client.message()
        second = client.message()
        transaction = client.connection.begin()
        identity = first.headers["ack" if VERSION == "1.2" else "message-id"]
        if VERSION == "1.1":
            client.connection.ack(identity, first.headers["subscription"], transaction)
        else:
            client.connection.ack(identity, transaction)
        client.connection.send(answers, b"answer", transaction=transaction)
        commit(client, transaction)
        transaction = client.connection.begin()
        identity = second.headers["ack" if VERSION == "1.2" else "message-id"]
        if VERSION == "1.1":
            client.connection.ack(identity, second.headers["subscription"], transaction)
        else:
            client.connection.ack(identity, transaction)
        client.connection.abort(transaction)
    rest(answers, [b"answer"])
    rest(destination, [b"1"])


def wrong_transactions_are_refused():
    client = Client()
    client.connection.send("/queue/" + name("wrong"), b"x", transaction="nobody-began-it")
    client.inbox.errors.get(timeout=WAIT_S)


def temporary_queues_carry_replies():
    service = "/queue/" + name("service")
    with Client() as server, Client() as client:
        server.subscribe(service)
        client.send(service, b"question", reply_to="/temp-queue/answers")
        question = server.message()
        reply_to = question.headers["reply-to"]
        same(reply_to.startswith("/reply-queue/"), True)
        server.send(reply_to, b"answer")
        answer = client.message()
        same(answer.body, b"answer")
        same(answer.headers["subscription"], "/temp-queue/answers")
        client.send(service, b"again", reply_to="/temp-queue/answers")
        same(server.message().headers["reply-to"], reply_to)


def durable_topic_subscriptions_keep_messages():
    destination = "/topic/" + name("durable")
    with Client() as client:
        client.subscribe(destination, "keeper", durable="true", auto_delete="false")
        client.send(destination, b"present")
        same(client.message().body, b"present")
    with Client() as sender:
        sender.send(destination, b"absent", persistent="true")
    with Client() as client:
        client.subscribe(destination, "keeper", durable="true", auto_delete="false")
        same(client.message().body, b"absent")
        receipt = client.next_receipt()
        headers = {"durable": "true", "receipt": receipt}
        client.connection.unsubscribe(id="keeper", headers=headers)
        client.expect_receipt(receipt)
    with Client() as client:
        client.send(destination, b"gone")
        client.subscribe(destination, "keeper", durable="true", auto_delete="false")
        client.nothing_more()
        receipt = client.next_receipt()
        headers = {"durable": "true", "receipt": receipt}
        client.connection.unsubscribe(id="keeper", headers=headers)
        client.expect_receipt(receipt)


def selectors_choose_on_queues_and_topics():
    for place in ("/queue/", "/topic/"):
        destination = place + name("selected")
        with Client() as client:
            client.subscribe(destination, "1", selector="color = 'red' AND weight <> '3'")
            client.subscribe(
                destination, "2", selector="convert_string_expressions:weight > 10"
            )
            rows = [("red", "1"), ("red", "3"), ("blue", "20"), ("blue", "2")]
            for color, weight in rows:
                client.send(destination, (color + weight).encode(), color=color, weight=weight)
            found = {(m.headers["subscription"], m.body) for m in (client.message(), client.message())}
            same(found, {("1", b"red1"), ("2", b"blue20")})
            client.nothing_more()


def a_bad_selector_is_refused():
    client = Client()
    client.connection.subscribe("/queue/" + name("bad"), "1", headers={"selector": "a = ="})
    error = client.inbox.errors.get(timeout=WAIT_S)
    same("selector" in error.headers["message"] + str(error.body), True)


def browsers_leave_everything():
    destination = "/queue/" + name("browsed")
    fill(destination, 3)
    with Client() as client:
        client.subscribe(destination, "b", browser="true")
        same(client.bodies(3), [b"0", b"1", b"2"])
        same(client.message().headers["browser"], "end")
    rest(destination, [b"0", b"1", b"2"])


def priorities_go_first():
    destination = "/queue/" + name("priority")
    with Client() as client:
        for priority in (1, 9, 5, 9):
            client.send(
                destination, b"%d" % priority, priority=str(priority), x_max_priority="10"
            )
        client.subscribe(destination, x_max_priority="10", ack="client", prefetch_count="1")
        found = []
        for _ in range(4):
            frame = client.message()
            found.append(frame.body)
            client.settle("ack", frame)
        same(found, [b"9", b"9", b"5", b"1"])


def dead_letters_tell_why():
    dead = "/queue/" + name("dead")
    arguments = {
        "x_dead_letter_exchange": "",
        "x_dead_letter_routing_key": name("dead"),
    }
    with Client() as client:
        client.subscribe(dead, "dead")
        expired = "/queue/" + name("expiring")
        client.send(expired, b"late", x_message_ttl="1", **arguments)
        frame = client.message()
        same(frame.body, b"late")
        same(frame.headers["x-first-death-reason"], "expired")
        same(frame.headers["x-first-death-queue"], name("expiring"))
        full = "/queue/" + name("full")
        for index in range(3):
            client.send(full, b"%d" % index, x_max_length="2", **arguments)
        frame = client.message()
        same((frame.body, frame.headers["x-first-death-reason"]), (b"0", "maxlen"))
        if VERSION != "1.0":
            rejected = "/queue/" + name("rejected")
            client.send(rejected, b"bad", **arguments)
            client.subscribe(rejected, "r", ack="client-individual", **arguments)
            bad = client.message()
            identity = bad.headers["ack"] if VERSION == "1.2" else bad.headers["message-id"]
            if VERSION == "1.1":
                client.connection.nack(identity, bad.headers["subscription"], requeue="false")
            else:
                client.connection.nack(identity, requeue="false")
            frame = client.message()
            same((frame.body, frame.headers["x-first-death-reason"]), (b"bad", "rejected"))


def messages_expire_and_wait():
    destination = "/queue/" + name("timed")
    with Client() as client:
        client.send(destination, b"short", expiration="1")
        client.send(destination, b"later", x_delay="300")
        client.send(destination, b"now")
        client.subscribe(destination)
        same(client.message().body in (b"now", b"short"), True)
        while True:
            body = client.message().body
            if body == b"later":
                break


def groups_stay_together():
    destination = "/queue/" + name("grouped")
    with Client() as one, Client() as two:
        one.subscribe(destination, ack="client")
        two.subscribe(destination, ack="client")
        for index in range(20):
            one.send(destination, b"%d" % index, JMSXGroupID="g%d" % (index % 2))
        by_group = {}
        for _ in range(20):
            for client in (one, two):
                while client.inbox.messages.qsize():
                    frame = client.message()
                    by_group.setdefault(frame.headers["JMSXGroupID"], set()).add(client)
            if sum(1 for _ in by_group) == 2:
                break
            one.send("/topic/nobody.listens", b"")
            two.send("/topic/nobody.listens", b"")
        same([len(owners) for owners in by_group.values()], [1, 1])


def lists_of_destinations_reach_all():
    words = [name("list1"), name("list2"), name("list3")]
    with Client() as client:
        client.subscribe(f"queue://{words[0]},topic://{words[1]}", "both")
        client.subscribe("queue://" + words[2], "third")
        client.send(f"queue://{words[0]},topic://{words[1]},{words[2]}", b"to all")
        frames = [client.message() for _ in range(3)]
        same([frame.body for frame in frames], [b"to all"] * 3)
        found = sorted(frame.headers.get("subscription", "?") for frame in frames)
        same(found, ["both", "both", "third"])
        client.nothing_more()


def virtual_topics_fill_queues():
    topic = "VirtualTopic." + name("virtual")
    with Client() as client:
        client.subscribe("queue://Consumer.a." + topic, "a")
        client.subscribe("queue://Consumer.b." + topic, "b")
        client.send("topic://" + topic, b"for each")
        frames = [client.message(), client.message()]
        same({frame.headers.get("subscription") for frame in frames}, {"a", "b"})
    with Client() as client:
        client.send("topic://" + topic, b"kept")
        client.subscribe("queue://Consumer.a." + topic, "a")
        same(client.message().body, b"kept")


def own_messages_are_skipped_if_wished():
    destination = "/topic/" + name("own")
    with Client() as client, Client() as other:
        client.subscribe(destination, no_local="true")
        client.send(destination, b"own")
        other.send(destination, b"other's")
        same(client.message().body, b"other's")
        client.nothing_more()


def exclusive_subscriptions_are_alone():
    destination = "/queue/" + name("alone")
    with Client() as client:
        client.subscribe(destination, exclusive="true")
        other = Client()
        other.connection.subscribe(destination, "1")
        other.inbox.errors.get(timeout=WAIT_S)


def full_queues_refuse():
    destination = "/queue/" + name("refusing")
    arguments = {"x-max-length": "1", "x-overflow": "reject-publish"}
    client = Client()
    client.connection.send(destination, b"1", headers={**arguments, "receipt": "1"})
    client.expect_receipt("1")
    client.connection.send(destination, b"2", headers={**arguments, "receipt": "2"})
    error = client.inbox.errors.get(timeout=WAIT_S)
    same(error.headers.get("receipt-id"), "2")
    rest_of = Client()
    rest_of.connection.subscribe(destination, "1", "auto")
    same(rest_of.message().body, b"1")


def other_arguments_are_refused():
    destination = "/queue/" + name("other")
    client = Client()
    client.send(destination, b"1", x_message_ttl="60000")
    client.connection.send(destination, b"2", headers={"x-message-ttl": "1"})
    error = client.inbox.errors.get(timeout=WAIT_S)
    same("x-message-ttl" in error.headers["message"] + str(error.body), True)


def publishes_to_an_exchange():
    with Client() as client:
        client.subscribe("/exchange/orders/order.*.new", "1")
        client.subscribe("/amq/queue/bound", "2")
        client.send("/exchange/orders/order.eu.new", b"1")
        frames = [client.message(), client.message()]
        same({frame.headers.get("subscription", "?") for frame in frames}, {"1", "2"})
        client.send("/exchange/orders/nothing", b"2")
        client.nothing_more()


def a_missing_exchange_is_refused():
    client = Client()
    client.connection.send("/exchange/nobody-made-it/k", b"1")
    error = client.inbox.errors.get(timeout=WAIT_S)
    same("nobody-made-it" in error.headers["message"] + str(error.body), True)


def a_missing_queue_is_refused():
    client = Client()
    client.connection.subscribe("/amq/queue/nobody-made-it", "1")
    error = client.inbox.errors.get(timeout=WAIT_S)
    same("nobody-made-it" in error.headers["message"] + str(error.body), True)


def composites_of_the_broker_reach_all():
    with Client() as client:
        client.subscribe("/queue/first", "1")
        client.subscribe("/topic/second.topic", "2")
        client.send("/queue/orders", b"for both")
        frames = [client.message(), client.message()]
        same([frame.body for frame in frames], [b"for both"] * 2)
        client.nothing_more()


globals()[sys.argv[1]]()
