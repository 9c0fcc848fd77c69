"""What goes from each protocol to each, by the promises of docs/conversion.md. Usage: cases.py CASE VERSION HOST PORT"""

import datetime
import decimal
import sys
import urllib.parse

import curve
import paho.mqtt.client as mqtt
import pika
import sockets
from ends import Amqp, Mqtt, Stomp, same

# All bytes, and none of them twice in a row.
BODY = bytes(range(256)) + b"\0\r\n"

AT = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
TYPED = {
    "text": "Größe",
    "int": -5,
    "long": 1 << 40,
    "yes": True,
    "decimal": decimal.Decimal("-12.34"),
    "list": [1, "a", [True]],
    "table": {"nothing": None, "in": {"deep": 2}},
    "nothing": None,
    "empty": "",
}
# The same with their types in headers of text.
UNTYPED = [
    ("text", "Größe"),
    ("x-typed-int", "integer"),
    ("int", "-5"),
    ("x-typed-long", "integer"),
    ("long", "1099511627776"),
    ("x-typed-yes", "boolean"),
    ("yes", "true"),
    ("x-typed-decimal", "opaque"),
    ("decimal", "RAL///su"),
    ("x-typed-list", "opaque"),
    ("list", "QQAAABJJAAAAAVMAAAABYUEAAAACdAE="),
    ("x-typed-table", "opaque"),
    ("table", "RgAAABsHbm90aGluZ1YCaW5GAAAACgRkZWVwSQAAAAI="),
    ("x-typed-nothing", "void"),
    ("nothing", ""),
    ("empty", ""),
]

# What each says in its own words, and in which words the others hear it.

AMQP_SAYS = dict(
    content_type="application/x",
    content_encoding="gzip",
    headers=TYPED,
    delivery_mode=2,
    priority=7,
    correlation_id="c",
    reply_to="answers",
    expiration="60000",
    message_id="m",
    timestamp=1_700_000_000,
    type="t",
    user_id="guest",
    app_id="a",
)
AMQP_TO_STOMP = {
    "content-type": "application/x",
    "content-encoding": "gzip",
    "persistent": "true",
    "priority": "7",
    "correlation-id": "c",
    "reply-to": "/reply-queue/answers",
    "expiration": "60000",
    "amqp-message-id": "m",
    "timestamp": "1700000000000",
    "type": "t",
    "user-id": "guest",
    "app-id": "a",
    **dict(UNTYPED),
}
AMQP_TO_MQTT = dict(
    ContentType="application/x",
    CorrelationData=b"c",
    MessageExpiryInterval=60,
    UserProperty=[
        ("content-encoding", "gzip"),
        ("priority", "7"),
        ("reply-to", "/queues/answers"),
        ("expiration", "60000"),
        ("message-id", "m"),
        ("timestamp", "1700000000000"),
        ("type", "t"),
        ("user-id", "guest"),
        ("app-id", "a"),
        *UNTYPED,
    ],
)
STOMP_SAYS = {
    "content-type": "application/x",
    "content-encoding": "gzip",
    "persistent": "true",
    "priority": "7",
    "correlation-id": "c",
    "reply-to": "/topic/answers.7",
    "expiration": "60000",
    "amqp-message-id": "m",
    "timestamp": "1700000000123",
    "type": "t",
    "app-id": "a",
    "user-id": "u",
    "text": "Größe:\n\\",
}
STOMP_TO_AMQP = dict(
    content_type="application/x",
    content_encoding="gzip",
    headers={
        "x-reply-to": "/exchanges/amq.topic/answers.7",
        "timestamp_in_ms": 1_700_000_000_123,
        "text": "Größe:\n\\",
        "user-id": "u",
    },
    delivery_mode=2,
    priority=7,
    correlation_id="c",
    expiration="60000",
    message_id="m",
    timestamp=1_700_000_000,
    type="t",
    app_id="a",
)
STOMP_TO_MQTT = dict(
    ContentType="application/x",
    CorrelationData=b"c",
    ResponseTopic="answers/7",
    MessageExpiryInterval=60,
    UserProperty=[
        ("content-encoding", "gzip"),
        ("priority", "7"),
        ("expiration", "60000"),
        ("message-id", "m"),
        ("timestamp", "1700000000123"),
        ("type", "t"),
        ("app-id", "a"),
        ("user-id", "u"),
        ("text", "Größe:\n\\"),
    ],
)
MQTT_SAYS = dict(
    ContentType="application/x",
    CorrelationData=b"c\xff\0",
    ResponseTopic="answers/7",
    MessageExpiryInterval=60,
    PayloadFormatIndicator=0,
    UserProperty=[("text", "Größe"), ("priority", "7"), ("text", "again")],
)
MQTT_TO_AMQP = dict(
    content_type="application/x",
    # A table shows one of each name to this client: the last.
    headers={
        "x-correlation-id": b"c\xff\0",
        "x-payload-format": "bytes",
        "x-reply-to": "/exchanges/amq.topic/answers.7",
        "text": "again",
    },
    delivery_mode=2,
    priority=7,
    expiration="60000",
)
MQTT_TO_STOMP = {
    "content-type": "application/x",
    "persistent": "true",
    "priority": "7",
    "x-base64-correlation-id": "Y/8A",
    "x-payload-format": "bytes",
    "reply-to": "/topic/answers.7",
    "expiration": "60000",
    # And to this one: the first.
    "text": "Größe",
}


def said(properties):
    """What properties of pika say."""
    return {name: value for name, value in vars(properties).items() if value is not None}


def said_by_mqtt(message):
    """What properties of paho-mqtt say."""
    names = ("ContentType", "CorrelationData", "ResponseTopic", "MessageExpiryInterval", "PayloadFormatIndicator", "UserProperty")
    found = {name: getattr(message.properties, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


class Readers:
    """One of each protocol that hears the topics `to.#`."""

    def __init__(self):
        self.amqp, self.stomp, self.mqtt = Amqp(), Stomp(), Mqtt()
        self.queue = self.amqp.listen("to.#")
        self.stomp.subscribe("/topic/to.#")
        self.mqtt.subscribe("to/#", qos=2)

    def hear(self, key, amqp, stomp, mqtt):
        method, properties, body = self.amqp.take(self.queue)
        same((method.exchange, method.routing_key, body), ("amq.topic", key, BODY))
        same(said(properties), amqp)
        destination, headers, body = self.stomp.take()
        same((destination, body), (f"/topic/{key}", BODY))
        same(headers, stomp)
        message = self.mqtt.take()
        same((message.topic, message.payload, message.retain), (key.replace(".", "/"), BODY, False))
        same(said_by_mqtt(message), mqtt)


def each_pair_says_what_the_table_says():
    readers = Readers()
    Amqp().send("amq.topic", "to.amqp", BODY, pika.BasicProperties(**AMQP_SAYS))
    readers.hear("to.amqp", AMQP_SAYS, AMQP_TO_STOMP, AMQP_TO_MQTT)
    Stomp().send("/topic/to.stomp", BODY, STOMP_SAYS)
    readers.hear("to.stomp", STOMP_TO_AMQP, STOMP_SAYS, STOMP_TO_MQTT)
    Mqtt().send("to/mqtt", BODY, **MQTT_SAYS)
    readers.hear("to.mqtt", MQTT_TO_AMQP, MQTT_TO_STOMP, MQTT_SAYS)


def transient_and_bare_messages_say_nothing_more():
    readers = Readers()
    Amqp().send("amq.topic", "to.amqp", BODY)
    readers.hear("to.amqp", {}, {}, {})
    Stomp().send("/topic/to.stomp", BODY)
    readers.hear("to.stomp", {}, {}, {})
    Mqtt().send("to/mqtt", BODY, qos=0)
    readers.hear("to.mqtt", {}, {}, {})


def qualities_of_service_are_persistence():
    amqp, stomp, subscriber = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("to.#")
    subscriber.subscribe("to/#", qos=2)
    for mode, qos in ((1, 0), (2, 1)):
        amqp.send("amq.topic", "to.a", BODY, pika.BasicProperties(delivery_mode=mode))
        same(subscriber.take().qos, qos)
        stomp.send("/topic/to.a", BODY, {"persistent": str(mode == 2).lower()})
        same(subscriber.take().qos, qos)
        for _ in range(2):
            _, properties, _ = amqp.take(queue)
            same(properties.delivery_mode == 2, mode == 2)
    for qos in (0, 1, 2):
        subscriber.send("to/m", BODY, qos)
        same(subscriber.take().qos, qos)
        _, properties, _ = amqp.take(queue)
        expected = {1: {"delivery_mode": 2}, 2: {"delivery_mode": 2, "headers": {"x-mqtt-publish-qos": "2"}}}
        same(said(properties), expected.get(qos, {}))


# There and back.


def amqp_goes_there_and_back():
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("back.#")
    stomp.subscribe("/topic/there")
    mqtt.subscribe("there")
    amqp.send("amq.topic", "there", BODY, pika.BasicProperties(**AMQP_SAYS))
    _, headers, body = stomp.take()
    stomp.send("/topic/back.stomp", body, headers)
    message = mqtt.take()
    mqtt.send("back/mqtt", message.payload, message.qos, **said_by_mqtt(message))
    for way in ("stomp", "mqtt"):
        method, properties, body = amqp.take(queue)
        same((method.routing_key, body), (f"back.{way}", BODY))
        # A user's name by his own word is none that was checked.
        expected = {name: value for name, value in AMQP_SAYS.items() if name != "user_id"}
        expected["headers"] = {**TYPED, "user-id": "guest"}
        same(said(properties), expected)


def stomp_goes_there_and_back():
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("there")
    stomp.subscribe("/topic/back.#")
    mqtt.subscribe("there")
    stomp.send("/topic/there", BODY, STOMP_SAYS)
    _, properties, body = amqp.take(queue)
    amqp.send("amq.topic", "back.amqp", body, properties)
    same(stomp.take(), ("/topic/back.amqp", STOMP_SAYS, BODY))
    message = mqtt.take()
    mqtt.send("back/mqtt", message.payload, message.qos, **said_by_mqtt(message))
    same(stomp.take(), ("/topic/back.mqtt", STOMP_SAYS, BODY))


def mqtt_goes_there_and_back():
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("there")
    stomp.subscribe("/topic/there")
    mqtt.subscribe("back/#", qos=2)
    # These clients show one header of each name.
    says = dict(MQTT_SAYS, UserProperty=[("text", "Größe"), ("priority", "7")])
    mqtt.send("there", BODY, qos=2, **says)
    _, properties, body = amqp.take(queue)
    amqp.send("amq.topic", "back/amqp".replace("/", "."), body, properties)
    _, headers, body = stomp.take()
    stomp.send("/topic/back.stomp", body, headers)
    for way in ("amqp", "stomp"):
        message = mqtt.take()
        same((message.topic, message.payload, message.qos), (f"back/{way}", BODY, 2))
        found = said_by_mqtt(message)
        found["UserProperty"] = sorted(found["UserProperty"])
        expected = sorted(says["UserProperty"] + [("expiration", "60000")])
        same(found, dict(says, UserProperty=expected))


# Requests and answers. Each asks with an address that it can spell, and answers to the one that it sees.


class Responder:
    """Answers what comes to `ask.PROTOCOL`, in capitals."""

    def __init__(self, protocol):
        self.protocol = protocol
        if protocol == "amqp":
            self.end = Amqp()
            self.queue = self.end.listen("ask.amqp")
        elif protocol == "stomp":
            self.end = Stomp()
            self.end.subscribe("/topic/ask.stomp")
        else:
            self.end = Mqtt()
            self.end.subscribe("ask/mqtt")

    def answer(self):
        if self.protocol == "amqp":
            _, properties, body = self.end.take(self.queue)
            exchange, key = "", properties.reply_to
            if key is None:
                kind, exchange, key = properties.headers["x-reply-to"].split("/")[1:]
                same(kind, "exchanges")
                exchange, key = urllib.parse.unquote(exchange), urllib.parse.unquote(key)
            said = pika.BasicProperties(correlation_id=properties.correlation_id)
            self.end.send(exchange, key, body.upper(), said)
        elif self.protocol == "stomp":
            _, headers, body = self.end.take()
            self.end.send(headers["reply-to"], body.upper(), {"correlation-id": headers["correlation-id"]})
        else:
            message = self.end.take()
            said = message.properties
            self.end.send(said.ResponseTopic, message.payload.upper(), CorrelationData=said.CorrelationData)


def requests_are_answered():
    responders = [Responder(protocol) for protocol in ("amqp", "stomp", "mqtt")]
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    own, bound = amqp.listen("", None), amqp.listen("answers.amqp")
    stomp.subscribe("/topic/answers.stomp")
    mqtt.subscribe("answers/mqtt")
    for responder in responders:
        to = responder.protocol
        # MQTT has no word for a queue: who wants to be answered by it names a topic.
        if to == "mqtt":
            headers = {"x-reply-to": "/exchanges/amq.topic/answers.amqp"}
            said = pika.BasicProperties(correlation_id=f"c-{to}", headers=headers)
        else:
            said = pika.BasicProperties(correlation_id=f"c-{to}", reply_to=own)
        amqp.send("amq.topic", f"ask.{to}", b"amqp", said)
        responder.answer()
        _, properties, body = amqp.take(bound if to == "mqtt" else own)
        same((properties.correlation_id, body), (f"c-{to}", b"AMQP"))
    for responder in responders:
        to = responder.protocol
        ways = ["/topic/answers.stomp"] + ["/temp-queue/mine"] * (to != "mqtt")
        for reply_to in ways:
            stomp.send(f"/topic/ask.{to}", b"stomp", {"correlation-id": f"c-{to}", "reply-to": reply_to})
            responder.answer()
            _, headers, body = stomp.take()
            same((headers["correlation-id"], body), (f"c-{to}", b"STOMP"))
    for responder in responders:
        to = responder.protocol
        correlation = f"c-{to}".encode()
        mqtt.send(f"ask/{to}", b"mqtt", ResponseTopic="answers/mqtt", CorrelationData=correlation)
        responder.answer()
        message = mqtt.take()
        same((message.properties.CorrelationData, message.payload), (correlation, b"MQTT"))


# Names.


def topics_are_keys_of_amq_topic():
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    queue = amqp.listen("a.*.#")
    stomp.subscribe("/topic/a.*.#")
    mqtt.subscribe("a/+/#")
    for topic, key in (("a/b", "a.b"), ("a/b/c", "a.b.c"), ("a/b.c/d", "a.b/c.d"), ("a//x", "a..x"), ("a/ß", "a.ß")):
        sends = [
            lambda: mqtt.send(topic, b"x"),
            lambda: amqp.send("amq.topic", key, b"x"),
            lambda: stomp.send(f"/topic/{key}", b"x"),
        ]
        for send in sends:
            send()
            same(amqp.take(queue)[0].routing_key, key)
            same(urllib.parse.unquote(stomp.take()[0]), f"/topic/{key}")
            same(mqtt.take().topic, topic)
    # What does not match reaches none: the next that comes is the next that does.
    for topic, key in (("b/a", "b.a"), ("a.b", "a/b"), ("a", "a")):
        mqtt.send(topic, b"no")
        amqp.send("amq.topic", key, b"no")
    mqtt.send("a/last", b"last")
    same([amqp.take(queue)[2], stomp.take()[2], mqtt.take().payload], [b"last"] * 3)


def queues_of_stomp_are_queues_of_amqp():
    amqp, stomp = Amqp(), Stomp()
    stomp.send("/queue/q", b"1", {"persistent": "true"})
    # Durable, neither exclusive nor auto-delete: as RabbitMQ makes it.
    same(amqp.channel.queue_declare("q", durable=True).method.message_count, 1)
    stomp.send("/amq/queue/q", b"2")
    amqp.send("", "q", b"3")
    stomp.send("/exchange/amq.direct/k", b"no")
    amqp.channel.queue_bind("q", "amq.direct", "k")
    stomp.send("/exchange/amq.direct/k", b"4", {"site": "north"})
    found = [amqp.take("q") for _ in range(4)]
    same([body for _, _, body in found], [b"1", b"2", b"3", b"4"])
    same([(method.exchange, method.routing_key) for method, _, _ in found], [("", "q")] * 3 + [("amq.direct", "k")])
    same(found[3][1].headers["site"], "north")
    amqp.leave("q")
    amqp.send("", "q", b"5")
    amqp.send("amq.direct", "k", b"6")
    stomp.subscribe("/amq/queue/q")
    same(stomp.take(), ("/queue/q", {}, b"5"))
    same(stomp.take(), ("/exchange/amq.direct/k", {}, b"6"))
    # Exchanges of any type, and a queue with arguments.
    amqp.channel.exchange_declare("all", "fanout")
    amqp.channel.exchange_declare("by-header", "headers")
    other = Stomp()
    other.subscribe("/exchange/all")
    amqp.send("all", "", b"7")
    same(other.take()[::2], ("/exchange/all/", b"7"))
    queue = amqp.channel.queue_declare("", exclusive=True).method.queue
    amqp.channel.queue_bind(queue, "by-header", arguments={"x-match": "all", "site": "north"})
    other.send("/exchange/by-header", b"no", {"site": "south"})
    other.send("/exchange/by-header", b"8", {"site": "north"})
    same(amqp.take(queue)[2], b"8")
    other.subscribe("/queue/bounded", **{"x-max-length": "1"})
    amqp.channel.queue_declare("bounded", durable=True, arguments={"x-max-length": 1})


def settlements_count_wherever_they_come_from():
    amqp, stomp = Amqp(), Stomp()
    stomp.send("/queue/q", b"1")
    method, _, _ = amqp.channel.basic_get("q")
    amqp.channel.basic_nack(method.delivery_tag, requeue=True)
    stomp.subscribe("/queue/q", ack="client-individual")
    frame = stomp.frames.get(timeout=60)
    same((frame.body, frame.headers["redelivered"]), (b"1", "true"))
    stomp.connection.nack(frame.headers["ack"])
    frame = stomp.frames.get(timeout=60)
    stomp.connection.disconnect()
    method, _, body = next(amqp.channel.consume("q", inactivity_timeout=60))
    same((body, method.redelivered), (b"1", True))
    amqp.channel.basic_ack(method.delivery_tag)
    amqp.channel.cancel()
    same(amqp.channel.queue_declare("q", durable=True).method.message_count, 0)


# What is kept, what passes.


def what_expires_becomes_a_dead_letter():
    amqp, stomp, mqtt = Amqp(), Stomp(), Mqtt()
    dead = amqp.listen("dead", "amq.direct")
    arguments = {"x-dead-letter-exchange": "amq.direct", "x-dead-letter-routing-key": "dead"}
    queue = amqp.channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
    amqp.channel.queue_bind(queue, "amq.topic", "short")
    amqp.send("amq.topic", "short", b"amqp", pika.BasicProperties(expiration="1"))
    same(amqp.take(dead)[2], b"amqp")
    stomp.send("/topic/short", b"stomp", {"expiration": "1"})
    same(amqp.take(dead)[2], b"stomp")
    mqtt.send("short", b"mqtt", MessageExpiryInterval=1)
    same(amqp.take(dead)[2], b"mqtt")
    same(amqp.channel.queue_declare(queue, passive=True).method.message_count, 0)


def what_is_retained_is_shown_to_mqtt():
    Amqp().send("amq.topic", "kept.amqp", b"amqp", pika.BasicProperties(headers={"x-mqtt-retain": "true"}))
    Stomp().send("/topic/kept.stomp", b"stomp", {"x-mqtt-retain": "true"})
    mqtt = Mqtt()
    mqtt.send("kept/mqtt", b"mqtt", retain=True)
    mqtt.subscribe("kept/#")
    found = [mqtt.take() for _ in range(3)]
    same({(message.topic, message.payload, message.retain) for message in found}, {(f"kept/{name}", name.encode(), True) for name in ("amqp", "stomp", "mqtt")})


def older_versions_of_mqtt_hear_topic_and_payload():
    for version in (mqtt.MQTTv31, mqtt.MQTTv311):
        old = Mqtt(version)
        old.subscribe("to/#")
        amqp = Amqp()
        amqp.send("amq.topic", "to.amqp", BODY, pika.BasicProperties(**AMQP_SAYS))
        Stomp().send("/topic/to.stomp", BODY, STOMP_SAYS)
        for name in ("amqp", "stomp"):
            message = old.take()
            same((message.topic, message.payload, message.qos), (f"to/{name}", BODY, 1))
        queue = amqp.listen("from.old")
        old.send("from/old", BODY)
        _, properties, body = amqp.take(queue)
        same((said(properties), body), ({"delivery_mode": 2}, BODY))


def large_bodies_cross():
    readers = Readers()
    body = BODY * 5000
    for send in (
        lambda: Amqp().send("amq.topic", "to.x", body),
        lambda: Stomp().send("/topic/to.x", body),
        lambda: Mqtt().send("to/x", body),
    ):
        send()
        same(readers.amqp.take(readers.queue)[2] == body, True)
        same(readers.stomp.take()[2] == body, True)
        same(readers.mqtt.take().payload == body, True)


def persistent_messages_survive_a_kill():
    amqp = Amqp()
    amqp.channel.queue_declare("kept", durable=True)
    amqp.channel.queue_bind("kept", "amq.topic", "to.#")
    # Each is confirmed in the words of its protocol.
    amqp.send("amq.topic", "to.amqp", BODY, pika.BasicProperties(**AMQP_SAYS))
    Stomp().send("/topic/to.stomp", BODY, STOMP_SAYS)
    Mqtt().send("to/mqtt", BODY, **MQTT_SAYS)
    print("restart", flush=True)
    same(sys.stdin.readline(), "restarted\n")
    amqp = Amqp()
    for key, expected in (("amqp", AMQP_SAYS), ("stomp", STOMP_TO_AMQP), ("mqtt", MQTT_TO_AMQP)):
        method, properties, body = amqp.take("kept")
        same((method.routing_key, body), (f"to.{key}", BODY))
        same(said(properties), expected)


if __name__ == "__main__":
    {**vars(sockets), **vars(curve), **globals()}[sys.argv[1]]()
