"""A connection of each protocol, by clients of other makers, with the words of its protocol and no others."""

import itertools
import json
import os
import queue

import paho.mqtt.client as mqtt
import pika
import stomp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# Never waited out when all is well.
WAIT_S = 60

LISTENERS = json.loads(os.environ["LISTENERS"])
NUMBERS = itertools.count()


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def address(protocol):
    host, port = LISTENERS[protocol][0].rsplit(":", 1)
    return host, int(port)


class Amqp:
    """pika."""

    def __init__(self):
        login = pika.PlainCredentials("guest", "guest")
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(*address("amqp"), credentials=login))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        # By queue: a channel and what comes by it.
        self.takers = {}

    def listen(self, key, exchange="amq.topic"):
        """A queue of its own that is bound with this key."""
        name = self.channel.queue_declare("", exclusive=True).method.queue
        if exchange:
            self.channel.queue_bind(name, exchange, key)
        return name

    def take(self, name):
        """The next message of a queue, as (method, properties, body). It consumes from then on."""
        if name not in self.takers:
            channel = self.connection.channel()
            messages = channel.consume(name, auto_ack=True, inactivity_timeout=WAIT_S)
            self.takers[name] = (channel, messages)
        method, properties, body = next(self.takers[name][1])
        assert method is not None, "nothing came"
        return method, properties, body

    def leave(self, name):
        """Takes no more of a queue."""
        self.takers.pop(name)[0].close()

    def send(self, exchange, key, body, properties=None):
        self.channel.basic_publish(exchange, key, body, properties)


class Ordered(str):
    """The name of a header. The client sorts by name; these stay in the order in which they were made."""

    def __new__(cls, text):
        made = super().__new__(cls, text)
        made.number = next(NUMBERS)
        return made

    __hash__ = str.__hash__
    __eq__ = str.__eq__

    def __lt__(self, other):
        return self.number < getattr(other, "number", -1)

    def __gt__(self, other):
        return self.number > getattr(other, "number", -1)


class Stomp(stomp.ConnectionListener):
    """stomp.py."""

    def __init__(self):
        # Bodies are bytes, whatever they say.
        self.connection = stomp.Connection12([address("stomp")], auto_decode=False, vhost="/")
        self.connection.set_listener("", self)
        self.frames, self.receipts = queue.Queue(), queue.Queue()
        self.connection.connect("guest", "guest", wait=True)

    def on_message(self, frame):
        self.frames.put(frame)

    def on_error(self, frame):
        self.frames.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def received(self, receipt):
        same(self.receipts.get(timeout=WAIT_S), receipt)

    def subscribe(self, destination, **headers):
        name = f"s{next(NUMBERS)}"
        self.connection.subscribe(destination, name, receipt=name, **headers)
        self.received(name)

    def take(self):
        """The next message, as (destination, headers, body)."""
        frame = self.frames.get(timeout=WAIT_S)
        assert frame.cmd == "MESSAGE", (frame.headers, frame.body)
        # What the server says of its own delivery.
        of_the_server = ("subscription", "message-id", "ack", "content-length", "destination")
        headers = {name: value for name, value in frame.headers.items() if name not in of_the_server}
        return frame.headers["destination"], headers, frame.body

    def send(self, destination, body, headers=None):
        name = f"r{next(NUMBERS)}"
        headers = {Ordered(key): value for key, value in (headers or {}).items()}
        self.connection.send(destination, body, headers={**headers, "receipt": name})
        self.received(name)


class Mqtt:
    """paho-mqtt with 5.0, or with the version that is named."""

    def __init__(self, version=mqtt.MQTTv5):
        self.messages, self.answers = queue.Queue(), queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_connect = lambda c, u, flags, reason, props: self.answers.put("connected")
        self.client.on_subscribe = lambda c, u, mid, reasons, props: self.answers.put("subscribed")
        self.client.connect(*address("mqtt"))
        self.client.loop_start()
        same(self.answers.get(timeout=WAIT_S), "connected")

    def subscribe(self, filter, qos=1):
        self.client.subscribe(filter, qos)
        same(self.answers.get(timeout=WAIT_S), "subscribed")

    def take(self):
        return self.messages.get(timeout=WAIT_S)

    def send(self, topic, body, qos=1, retain=False, **properties):
        said = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(said, name, value)
        if self.client.protocol != mqtt.MQTTv5:
            said = None
        self.client.publish(topic, body, qos, retain, said).wait_for_publish(WAIT_S)
