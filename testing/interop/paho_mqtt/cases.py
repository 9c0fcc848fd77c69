"""Features of MQTT as paho uses them, and where STOMP meets them. Usage: cases.py CASE VERSION HOST PORT"""

import json
import os
import queue
import sys
import threading

import paho.mqtt.client as mqtt
import stomp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

# Never waited out when all is well.
WAIT_S = 60

PROTOCOLS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}

VERSION, HOST, PORT = sys.argv[2], sys.argv[3], int(sys.argv[4])
IS_5 = VERSION == "5.0"
LARGE = 5_000_000


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def properties(kind, **values):
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    def __init__(
        self, client_id="", will=None, login=None, connect=None, clean=True, delay=None, **options
    ):
        if client_id == "" and VERSION == "3.1":
            client_id = f"paho-{os.getpid()}-{id(self)}"
        if not IS_5:
            options["clean_session"] = clean
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=PROTOCOLS[VERSION],
            reconnect_on_failure=False,
            **options,
        )
        self.messages = queue.Queue()
        self.connected = queue.Queue()
        self.closed = queue.Queue()
        self.subscribed = queue.Queue()
        self.unsubscribed = queue.Queue()
        self.published = queue.Queue()
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_connect = lambda c, u, flags, reason, props: self.connected.put(
            (reason, props, flags.session_present)
        )
        self.client.on_disconnect = lambda c, u, flags, reason, props: self.closed.put(reason)
        self.client.on_subscribe = lambda c, u, mid, reasons, props: self.subscribed.put(reasons)
        self.client.on_unsubscribe = lambda c, u, mid, reasons, props: self.unsubscribed.put(
            reasons
        )
        self.client.on_publish = lambda c, u, mid, reason, props: self.published.put(reason)
        # Less than what the broker takes of a client at a time.
        self.client.max_inflight_messages_set(1000)
        if will:
            more = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=delay) if delay else None
            self.client.will_set(*will, properties=more)
        if login:
            self.client.username_pw_set(*login)
        more = {"properties": connect, "clean_start": clean} if IS_5 else {}
        self.client.connect(HOST, PORT, keepalive=WAIT_S, **more)
        self.client.loop_start()
        self.reason, self.properties, self.present = self.connected.get(timeout=WAIT_S)

    def __enter__(self):
        same(self.reason.is_failure, False)
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.closed.get(timeout=WAIT_S)
        self.client.loop_stop()

    def subscribe(self, topic, qos=0, **options):
        if IS_5:
            more = options.pop("properties", None)
            self.client.subscribe(topic, options=SubscribeOptions(qos, **options), properties=more)
        else:
            self.client.subscribe(topic, qos)
        reasons = self.subscribed.get(timeout=WAIT_S)
        return [reason.value for reason in reasons]

    def publish(self, topic, payload, qos=0, **options):
        """Returns when the broker has it, as far as the quality of service lets that be known."""
        self.client.publish(topic, payload, qos, **options)
        return self.published.get(timeout=WAIT_S)

    def message(self):
        return self.messages.get(timeout=WAIT_S)

    def nothing_more(self):
        """What came before a message to itself has come."""
        topic = f"end/{os.getpid()}/{id(self)}"
        self.subscribe(topic, 1)
        self.publish(topic, b"end", 1)
        same(self.message().topic, topic)

    def break_off(self):
        """Ends the transport without a word."""
        self.client.loop_stop()
        self.client.socket().close()

    def connect_again(self):
        """The same client with what it knows, after `break_off`."""
        more = {"properties": KEEP, "clean_start": False} if IS_5 else {}
        self.client.connect(HOST, PORT, keepalive=WAIT_S, **more)
        self.client.loop_start()
        self.reason, self.properties, self.present = self.connected.get(timeout=WAIT_S)


def connects_and_disconnects():
    with Client("paho") as client:
        if IS_5:
            same(getattr(client.properties, "RetainAvailable", 1), 1)
            same(getattr(client.properties, "SharedSubscriptionAvailable", 1), 1)
            same(hasattr(client.properties, "AssignedClientIdentifier"), False)
    if VERSION != "3.1":
        with Client() as client:
            if IS_5:
                same(client.properties.AssignedClientIdentifier.startswith("barid-"), True)


def each_quality_goes_both_ways():
    with Client() as subscriber, Client() as publisher:
        for wanted in range(3):
            same(subscriber.subscribe(f"q/{wanted}", wanted), [wanted])
            for qos in range(3):
                body = f"{wanted} {qos}".encode()
                publisher.publish(f"q/{wanted}", body, qos)
                message = subscriber.message()
                same((message.topic, message.payload), (f"q/{wanted}", body))
                same((message.qos, message.dup, message.retain), (min(qos, wanted), False, False))
        subscriber.nothing_more()


def order_is_kept():
    with Client() as subscriber, Client() as publisher:
        for qos in range(3):
            subscriber.subscribe(f"order/{qos}", qos)
            for number in range(2000):
                publisher.client.publish(f"order/{qos}", str(number), qos)
            for number in range(2000):
                same(int(subscriber.message().payload), number)
            for _ in range(2000):
                publisher.published.get(timeout=WAIT_S)


def wildcards_match_levels():
    topics = ["a", "a/b", "a/b/c", "/a", "a/", "b/b/c", "$x/b", "a.b/c"]
    filters = {
        "#": ["a", "a/b", "a/b/c", "/a", "a/", "b/b/c", "a.b/c"],
        "a/#": ["a", "a/b", "a/b/c", "a/"],
        "+": ["a"],
        "+/+": ["a/b", "/a", "a/", "a.b/c"],
        "+/b/c": ["a/b/c", "b/b/c"],
        "/+": ["/a"],
        "$x/#": ["$x/b"],
        "a.b/+": ["a.b/c"],
    }
    for filter, expected in filters.items():
        for qos in (0, 1):
            with Client() as client:
                client.subscribe(filter, qos)
                client.subscribe("end", qos)
                for topic in topics:
                    client.publish(topic, b"", qos)
                client.publish("end", b"", qos)
                found = []
                while not found or found[-1] != "end":
                    found.append(client.message().topic)
                # `#` and `+` match the last one, too.
                found = [topic for topic in found if topic != "end"]
                same((filter, found), (filter, expected))


def payloads_stay():
    bodies = [b"", b"\0", bytes(range(256)), os.urandom(LARGE), "grüße".encode()]
    with Client() as subscriber, Client() as publisher:
        subscriber.subscribe("large", 2)
        for body in bodies:
            for qos in range(3):
                publisher.publish("large", body, qos)
                assert subscriber.message().payload == body, f"{len(body)} bytes changed"


def subscriptions_end():
    with Client() as client:
        client.subscribe("end/#", 1)
        client.publish("end/a", b"1", 1)
        same(client.message().payload, b"1")
        client.client.unsubscribe("end/#")
        client.unsubscribed.get(timeout=WAIT_S)
        client.publish("end/a", b"2", 1)
        client.nothing_more()


def wills_are_published():
    with Client() as watcher:
        watcher.subscribe("will/#", 2)
        for qos in range(3):
            victim = Client(f"victim-{qos}", will=("will/bad", f"gone {qos}", qos))
            victim.break_off()
            message = watcher.message()
            same((message.topic, message.qos), ("will/bad", qos))
            same(message.payload, f"gone {qos}".encode())
        with Client(will=("will/good", "never", 1)):
            pass
        watcher.nothing_more()


def a_second_client_takes_over():
    with Client() as watcher:
        watcher.subscribe("will/taken", 1)
        first = Client("the-one", will=("will/taken", "over", 1))
        with Client("the-one") as second:
            reason = first.closed.get(timeout=WAIT_S)
            if IS_5:
                same(reason.value, 0x8E)
            same(watcher.message().payload, b"over")
            second.subscribe("mine", 1)
            second.publish("mine", b"still here", 1)
            same(second.message().payload, b"still here")
        with Client("the-one"):
            pass


def logins_are_checked():
    with Client(login=("guest", "guest")):
        pass
    refused = Client(login=("guest", "wrong"))
    same(refused.reason.is_failure, True)
    if IS_5:
        same(refused.reason.value, 0x86)


# 3.1 has no flag for it.
PRESENT = VERSION != "3.1"
KEEP = properties(PacketTypes.CONNECT, SessionExpiryInterval=1000) if IS_5 else None


def keeper(name, **options):
    return Client(f"{name}-{VERSION}", connect=KEEP, clean=False, **options)


def sessions_are_kept():
    with keeper("keeper") as client:
        same(client.present, False)
        same(client.subscribe("keep/#", 2), [2])
        same(client.subscribe("light", 0), [0])
    with Client() as publisher:
        for qos in range(3):
            publisher.publish(f"keep/{qos}", f"away {qos}", qos)
        publisher.publish("light", b"missed")
    with keeper("keeper") as client:
        same(client.present, PRESENT)
        for qos in range(3):
            message = client.message()
            same((message.topic, message.qos, message.dup), (f"keep/{qos}", qos, False))
            same(message.payload, f"away {qos}".encode())
        client.publish("light", b"here")
        same(client.message().payload, b"here")
    with Client(f"keeper-{VERSION}"):
        pass
    with keeper("keeper") as client:
        same(client.present, False)
        client.publish("keep/x", b"nobody", 1)
        client.nothing_more()
    with Client(f"keeper-{VERSION}"):
        pass


def exchanges_go_on():
    """What is not answered is sent again with its identifier."""
    client = keeper("exchange", manual_ack=True)
    client.subscribe("x", 1)
    with Client() as publisher:
        for qos in (1, 2):
            publisher.publish("x", str(qos), qos)
    first = [client.message(), client.message()]
    same([message.dup for message in first], [False, False])
    client.client.ack(first[0].mid, 1)
    client.break_off()
    client.connect_again()
    same(client.present, PRESENT)
    again = client.message()
    same((again.mid, again.payload, again.dup), (first[1].mid, first[1].payload, True))
    client.client.ack(again.mid, 1)
    client.publish("x", b"end", 0)
    same(client.message().payload, b"end")
    client.client.disconnect()
    client.client.loop_stop()
    with Client(f"exchange-{VERSION}"):
        pass


def publishes_go_on():
    """What the broker has not answered is sent again by the client, and published once."""
    watcher = keeper("watcher")
    watcher.subscribe("once", 2)
    publisher = keeper("publisher")
    count = 50
    for number in range(count):
        publisher.client.publish("once", str(number), 2)
        if number % 10 == 9:
            publisher.break_off()
            publisher.connect_again()
    for _ in range(count):
        publisher.published.get(timeout=WAIT_S)
    found = [int(watcher.message().payload) for _ in range(count)]
    same(sorted(found), list(range(count)))
    watcher.nothing_more()
    for client in (watcher, publisher):
        client.client.disconnect()
        client.client.loop_stop()
    for name in ("watcher", "publisher"):
        with Client(f"{name}-{VERSION}"):
            pass


def kept_sessions_are_taken_over():
    first = keeper("taken")
    first.subscribe("mine", 1)
    with keeper("taken") as second:
        reason = first.closed.get(timeout=WAIT_S)
        if IS_5:
            same(reason.value, 0x8E)
        same(second.present, PRESENT)
        second.publish("mine", b"still here", 1)
        same(second.message().payload, b"still here")
    with Client(f"taken-{VERSION}"):
        pass


def leaves_a_session():
    client = keeper("outlives")
    client.subscribe("outlives/#", 2)
    client.subscribe("light", 0)
    client.break_off()
    with Client() as publisher:
        for qos in (1, 2):
            publisher.publish(f"outlives/{qos}", str(qos), qos)


def finds_its_session():
    with keeper("outlives") as client:
        same(client.present, PRESENT)
        found = [client.message() for _ in range(2)]
        same([(it.topic, it.payload) for it in found], [("outlives/1", b"1"), ("outlives/2", b"2")])
        client.publish("light", b"on")
        same(client.message().payload, b"on")
        client.publish("outlives/3", b"3", 2)
        same(client.message().payload, b"3")
        client.nothing_more()


def wills_wait_for_their_delay():
    def victim(delay):
        client = keeper("victim", will=("will/late", f"after {delay}", 1), delay=delay)
        same(client.reason.is_failure, False)
        return client

    with Client() as watcher:
        watcher.subscribe("will/late", 1)
        # Back in time: it is not published.
        victim(1000).break_off()
        with keeper("victim"):
            pass
        watcher.nothing_more()
        victim(1).break_off()
        same(watcher.message().payload, b"after 1")
        # The session ends before.
        victim(1000).break_off()
        with Client(f"victim-{VERSION}"):
            same(watcher.message().payload, b"after 1000")
        watcher.nothing_more()


def sessions_end_in_time():
    short = properties(PacketTypes.CONNECT, SessionExpiryInterval=1)
    with Client() as watcher:
        watcher.subscribe("will/short", 1)
        # The will comes with the end of the session, which says when that is.
        client = Client(
            "short", connect=short, clean=False, will=("will/short", "ended", 1), delay=1000
        )
        client.subscribe("short", 1)
        client.break_off()
        same(watcher.message().payload, b"ended")
        with Client("short", connect=short, clean=False) as client:
            same(client.present, False)


def retained_messages_are_shown():
    for wanted in range(3):
        with Client() as publisher, Client() as present:
            present.subscribe(f"kept/{wanted}/#", wanted)
            for qos in range(3):
                topic = f"kept/{wanted}/{qos}"
                publisher.publish(topic, b"older", qos, retain=True)
                publisher.publish(topic, topic, qos, retain=True)
                # Those that are there get it as any other message.
                for body in (b"older", topic.encode()):
                    message = present.message()
                    same((message.payload, message.retain), (body, False))
            with Client() as later:
                same(later.subscribe(f"kept/{wanted}/+", wanted), [wanted])
                for qos in range(3):
                    message = later.message()
                    same(message.topic, f"kept/{wanted}/{qos}")
                    same(message.payload, message.topic.encode())
                    same((message.qos, message.retain), (min(qos, wanted), True))
                # Again with the same filter.
                later.subscribe(f"kept/{wanted}/+", wanted)
                same([later.message().retain for _ in range(3)], [True] * 3)
                publisher.publish(f"kept/{wanted}/0", b"live", 1)
                message = later.message()
                same((message.payload, message.retain), (b"live", False))
                later.nothing_more()
            for qos in range(3):
                publisher.publish(f"kept/{wanted}/{qos}", b"", qos, retain=True)
            with Client() as later:
                later.subscribe(f"kept/{wanted}/#", wanted)
                later.nothing_more()


def retained_messages_of_hidden_topics_are_not_shown_to_all():
    with Client() as client:
        client.publish("$hidden/a", b"1", 1, retain=True)
        client.publish("open/a", b"2", 1, retain=True)
        client.subscribe("#", 1)
        same(client.message().topic, "open/a")
        client.subscribe("$hidden/#", 1)
        same(client.message().topic, "$hidden/a")
        client.publish("open/a", b"", 1, retain=True)
        same(client.message().payload, b"")
        client.publish("$hidden/a", b"", 1, retain=True)
        same(client.message().payload, b"")
        client.nothing_more()


def wills_are_retained():
    victim = Client("victim", will=("will/kept", "gone", 1, True))
    with Client() as watcher:
        watcher.subscribe("will/kept", 1)
        victim.break_off()
        same(watcher.message().retain, False)
        with Client() as later:
            later.subscribe("will/kept", 1)
            message = later.message()
            same((message.payload, message.retain), (b"gone", True))
            later.publish("will/kept", b"", 1, retain=True)


def retain_handling_and_retain_as_published():
    with Client() as client, Client() as other:
        client.publish("handling", b"x", 1, retain=True)
        client.subscribe("handling", 1, retainHandling=2)
        client.subscribe("handling", 1, retainHandling=1)
        client.nothing_more()
        client.subscribe("handling", 1, retainHandling=0)
        same(client.message().retain, True)
        other.subscribe("handling", 1, retainHandling=1, retainAsPublished=True)
        same(other.message().retain, True)
        client.publish("handling", b"y", 1, retain=True)
        same((client.message().retain, other.message().retain), (False, True))
        # Not what the client published itself.
        client.subscribe("handling", 0, noLocal=True)
        client.publish("handling", b"", 1, retain=True)
        same(other.message().payload, b"")


def retained_messages_expire():
    with Client() as client:
        expiring = properties(PacketTypes.PUBLISH, MessageExpiryInterval=100)
        client.publish("expiring", b"x", 1, retain=True, properties=expiring)
        client.subscribe("expiring", 1)
        left = client.message().properties.MessageExpiryInterval
        same(90 < left <= 100, True)
        client.publish("expiring", b"", 1, retain=True)


KEPT = 200


def publishes_what_outlives_a_kill():
    with Client() as client:
        for number in range(KEPT):
            client.publish(f"outlives/{number:03}", b"older", 1, retain=True)
        for number in range(KEPT):
            payload = b"" if number % 7 == 0 else str(number)
            client.publish(f"outlives/{number:03}", payload, 1 + number % 2, retain=True)


def finds_what_has_outlived_it():
    with Client() as client:
        client.subscribe("outlives/#", 1)
        for number in range(KEPT):
            if number % 7 != 0:
                message = client.message()
                same(message.topic, f"outlives/{number:03}")
                same((message.payload, message.retain), (str(number).encode(), True))
        client.nothing_more()


def groups_get_everything_each():
    with Client() as one, Client() as other, Client() as publisher:
        same(one.subscribe("$share/one/jobs/+", 1), [1])
        same(other.subscribe("$share/other/jobs/#", 2), [2])
        for number in range(200):
            publisher.publish(f"jobs/{number % 3}", str(number), number % 3)
        for member in (one, other):
            # One with QoS 2 is handed over when it is released; others may come before.
            found = [int(member.message().payload) for _ in range(200)]
            same(sorted(found), list(range(200)))
            member.nothing_more()


def members_get_each_message_once():
    with Client() as one, Client() as other, Client() as publisher:
        other.messages = one.messages
        for member in (one, other):
            member.subscribe("$share/group/each", 2)
        for number in range(200):
            publisher.publish("each", str(number), 1 + number % 2)
        found = [int(one.message().payload) for _ in range(200)]
        same(sorted(found), list(range(200)))
        for member in (one, other):
            member.nothing_more()


def what_a_member_leaves_goes_to_the_others():
    leaving, publisher = Client(manual_ack=True), Client()
    leaving.subscribe("$share/group/left", 1)
    for number in range(50):
        publisher.publish("left", str(number), 1)
    for number in range(50):
        same(int(leaving.message().payload), number)
    with Client() as staying:
        staying.subscribe("$share/group/left", 1)
        leaving.break_off()
        same([int(staying.message().payload) for _ in range(50)], list(range(50)))
        staying.nothing_more()
    publisher.client.disconnect()


def members_come_and_go():
    with Client() as staying, Client() as publisher:
        staying.subscribe("$share/group/flow", 1)
        count = 0
        for _ in range(8):
            going = Client(manual_ack=True)
            going.subscribe("$share/group/flow", 1)
            for _ in range(30):
                publisher.publish("flow", str(count), 1)
                count += 1
            # It has some in hand and answers none.
            going.message()
            going.break_off()
        found = {int(staying.message().payload) for _ in range(count)}
        same(found, set(range(count)))


def members_are_kept():
    names = ("first", "second")
    for name in names:
        with keeper(name) as member:
            if IS_5:
                same(getattr(member.properties, "SharedSubscriptionAvailable", 1), 1)
            # A session that is kept is granted no more.
            same(member.subscribe("$share/kept/jobs/#", 2), [1])
    count = 60
    with Client() as publisher:
        # Nobody is there.
        for number in range(count):
            publisher.publish(f"jobs/{number % 3}", str(number), 1 + number % 2)
    first = keeper("first", manual_ack=True)
    same(first.present, PRESENT)
    got = [first.message() for _ in range(count)]
    same([int(message.payload) for message in got], list(range(count)))
    answered = {number for number in range(count) if number % 4 == 0}
    for number in answered:
        first.client.ack(got[number].mid, 1)
    first.publish("elsewhere", b"behind the answers", 1)
    first.break_off()
    # What was not answered, and nothing else.
    with keeper("second") as second:
        same(second.present, PRESENT)
        rest = [int(second.message().payload) for _ in range(count - len(answered))]
        same(rest, [number for number in range(count) if number not in answered])
        second.nothing_more()
        second.client.unsubscribe("$share/kept/jobs/#")
        second.unsubscribed.get(timeout=WAIT_S)
        second.publish("jobs/0", b"for the first", 1)
        second.nothing_more()
    with keeper("first") as first:
        same(first.message().payload, b"for the first")
        first.nothing_more()
    for name in names:
        with Client(f"{name}-{VERSION}"):
            pass


def leaves_a_group():
    member = keeper("grouped", manual_ack=True)
    same(member.subscribe("$share/outlives/work", 1), [1])
    with Client() as publisher:
        for number in range(30):
            publisher.publish("work", str(number), 1)
        got = [member.message() for _ in range(30)]
        for message in got[:10]:
            member.client.ack(message.mid, 1)
        member.publish("elsewhere", b"behind the answers", 1)
        member.break_off()
        for number in range(30, 50):
            publisher.publish("work", str(number), 1)


def finds_its_group():
    with keeper("grouped") as member:
        same(member.present, PRESENT)
        wanted = set(range(10, 50))
        while wanted:
            # One that was answered may come again: that is not waited for by anybody.
            wanted.discard(int(member.message().payload))
        member.publish("work", b"50", 1)
        same(member.message().payload, b"50")
        member.nothing_more()


def ends_its_group():
    with Client(f"grouped-{VERSION}"):
        pass


def properties_stay():
    sent = properties(
        PacketTypes.PUBLISH,
        PayloadFormatIndicator=1,
        ContentType="text/plain",
        ResponseTopic="answers/here",
        CorrelationData=b"\0\1\2",
        UserProperty=[("a", "1"), ("b", "ü"), ("a", "2")],
    )
    with Client() as client:
        identifier = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=17)
        client.subscribe("props", 2, properties=identifier)
        for qos in range(3):
            client.publish("props", b"x", qos, properties=sent)
            got = client.message().properties
            same(got.PayloadFormatIndicator, 1)
            same(got.ContentType, "text/plain")
            same(got.ResponseTopic, "answers/here")
            same(got.CorrelationData, b"\0\1\2")
            same(got.UserProperty, [("a", "1"), ("b", "ü"), ("a", "2")])
            same(got.SubscriptionIdentifier, [17])


def aliases_stand_for_topics():
    with Client() as client:
        client.subscribe("alias/#", 1)
        same(client.properties.TopicAliasMaximum > 0, True)
        alias = properties(PacketTypes.PUBLISH, TopicAlias=1)
        client.publish("alias/long/name", b"1", 1, properties=alias)
        client.publish("", b"2", 1, properties=alias)
        for body in (b"1", b"2"):
            message = client.message()
            same((message.topic, message.payload), ("alias/long/name", body))


def expiry_is_told():
    with Client() as client:
        client.subscribe("expiry", 1)
        for qos in (0, 1):
            sent = properties(PacketTypes.PUBLISH, MessageExpiryInterval=100)
            client.publish("expiry", b"x", qos, properties=sent)
            left = client.message().properties.MessageExpiryInterval
            same(90 < left <= 100, True)


def own_messages_are_skipped_if_wished():
    with Client() as client, Client() as other:
        client.subscribe("own", 1, noLocal=True)
        client.publish("own", b"mine", 1)
        other.publish("own", b"other", 1)
        same(client.message().payload, b"other")
        client.nothing_more()


def no_more_is_in_hand_than_the_client_takes():
    limit = properties(PacketTypes.CONNECT, ReceiveMaximum=3)
    with Client(connect=limit, manual_ack=True) as slow, Client() as publisher:
        slow.subscribe("slow", 1)
        for number in range(10):
            publisher.publish("slow", str(number), 1)
        held = [slow.message() for _ in range(3)]
        for number in range(10):
            same(int(held[0].payload), number)
            same(slow.messages.empty(), True) if len(held) == 3 else None
            first = held.pop(0)
            slow.client.ack(first.mid, first.qos)
            if number < 7:
                held.append(slow.message())


def nobody_there_is_told():
    with Client() as client:
        same(client.publish("nobody/here", b"x", 1).value, 0x10)
        client.subscribe("nobody/here", 1)
        same(client.publish("nobody/here", b"x", 1).value, 0)


# Where STOMP meets MQTT.


class Listener(stomp.ConnectionListener):
    def __init__(self):
        self.messages = queue.Queue()
        self.receipts = queue.Queue()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])


class Stomp:
    def __init__(self):
        host, port = json.loads(os.environ["LISTENERS"])["stomp"][0].rsplit(":", 1)
        self.connection = stomp.StompConnection12([(host, int(port))], auto_decode=False)
        self.listener = Listener()
        self.connection.set_listener("", self.listener)
        self.connection.connect(wait=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.disconnect(receipt="good-bye")
        self.listener.receipts.get(timeout=WAIT_S)

    def subscribe(self, destination, number):
        self.connection.subscribe(destination, number, receipt=f"s{number}")
        same(self.listener.receipts.get(timeout=WAIT_S), f"s{number}")

    def send(self, destination, body, **headers):
        self.connection.send(destination, body, receipt="sent", **headers)
        same(self.listener.receipts.get(timeout=WAIT_S), "sent")

    def message(self):
        return self.listener.messages.get(timeout=WAIT_S)


def messages_cross_to_stomp():
    with Stomp() as reader, Client() as publisher:
        reader.subscribe("/topic/plant.*.temp", 1)
        reader.subscribe("/topic/a/b.c", 2)
        for qos in range(3):
            publisher.publish("plant/7/temp", f"warm {qos}", qos)
            frame = reader.message()
            same(frame.body, f"warm {qos}".encode())
            same(frame.headers["destination"], "/topic/plant.7.temp")
            # A dot within a level is a slash there, and the other way round.
            publisher.publish("a.b/c", b"x", qos)
            same(reader.message().headers["destination"], "/topic/a/b.c")


def messages_cross_from_stomp():
    with Stomp() as sender, Client() as reader:
        reader.subscribe("plant/+/temp", 2)
        reader.subscribe("a.b/c", 2)
        for persistent, qos in (("false", 0), ("true", 1)):
            sender.send("/topic/plant.7.temp", b"warm", persistent=persistent)
            message = reader.message()
            same((message.topic, message.payload), ("plant/7/temp", b"warm"))
            same(message.qos, qos)
            sender.send("/topic/a/b.c", b"x", persistent=persistent)
            same(reader.message().topic, "a.b/c")


def publishes_to_a_bound_queue():
    with Client() as publisher:
        for qos in (1, 2):
            publisher.publish("plant/7/temp", f"warm {qos}", qos)
        publisher.publish("elsewhere", b"no", 1)


def finds_them_in_the_queue():
    with Stomp() as reader:
        reader.subscribe("/amq/queue/kept", 1)
        bodies = [reader.message().body for _ in (1, 2)]
        same(bodies, [b"warm 1", b"warm 2"])


globals()[sys.argv[1]]()
