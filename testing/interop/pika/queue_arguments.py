"""Queue arguments, and policies beside them, as RabbitMQ 4 has them. Named to cases.py as queue_arguments.CASE."""

import time

from cases import PERSISTENT, WAIT_S, channel, consume, publish, refused, same

import pika
import pika.exceptions as errors

# Ten years and a millisecond.
TOO_LONG = 315_360_000_001

QUORUM = {"x-queue-type": "quorum"}
TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def with_dead(arguments, durable=True):
    """A channel with confirms, a queue `dead`, and a queue `q` with these arguments whose dead letters go there."""
    of = channel()
    of.queue_declare("dead", durable=True)
    of.queue_declare("q", durable=durable, arguments={**TO_DEAD, **arguments})
    of.confirm_delivery()
    return of


def bodies(found):
    return [body for _, _, body in found]


def count(of, name):
    return of.queue_declare(name, passive=True).method.message_count


def nacked(of, key, body):
    try:
        publish(of, "", key, body, PERSISTENT)
    except errors.NackError:
        return
    raise AssertionError(f"{body} was taken")


def died(of, reason, expected):
    """That these bodies have died, for this reason."""
    found = consume(of, "dead", len(expected))
    same(bodies(found), expected)
    for _, properties, _ in found:
        death = properties.headers["x-death"][0]
        same((death["reason"], death["queue"], death["count"]), (reason, "q", 1))
        same(properties.headers["x-first-death-reason"], reason)
        same(properties.headers["x-first-death-queue"], "q")


# Time


def messages_expire():
    of = with_dead({"x-message-ttl": 100})
    publish(of, "", "q", b"queue", PERSISTENT)
    died(of, "expired", [b"queue"])
    # The shorter of the two counts.
    publish(of, "", "q", b"both", pika.BasicProperties(expiration="600000"))
    died(of, "expired", [b"both"])
    of.queue_delete("q")
    of = with_dead({"x-message-ttl": 600000})
    publish(of, "", "q", b"own", pika.BasicProperties(expiration="100"))
    (_, properties, body) = consume(of, "dead", 1)[0]
    same(body, b"own")
    # It does not expire where it has come to, but tells what it was.
    same(properties.expiration, None)
    same(properties.headers["x-death"][0]["original-expiration"], "100")


def messages_that_nobody_takes_at_once_expire():
    of = with_dead({"x-message-ttl": 0})
    publish(of, "", "q", b"nobody")
    died(of, "expired", [b"nobody"])
    publish(of, "", "q", b"own", pika.BasicProperties(expiration="0"))
    died(of, "expired", [b"own"])


def wrong_expirations_are_refused():
    for wrong in ["soon", "-1", "1.5", ""]:
        of = channel()
        of.queue_declare("q")
        properties = pika.BasicProperties(expiration=wrong)
        of.confirm_delivery()
        text = refused(406, lambda of=of, it=properties: publish(of, "", "q", b"", it))
        assert text.startswith("PRECONDITION_FAILED - invalid expiration"), text


def queues_expire():
    of = channel()
    of.confirm_delivery()
    for arguments in [{}, QUORUM]:
        of.queue_declare("q", durable=True, arguments={"x-expires": 1000, **arguments})
        # Used, it stays; then it goes by itself.
        tag = of.basic_consume("q", lambda *_: None)
        publish(of, "", "q", b"1", PERSISTENT, mandatory=True)
        of.connection.process_data_events(time_limit=1.5)
        publish(of, "", "q", b"2", PERSISTENT, mandatory=True)
        of.basic_cancel(tag)
        for _ in range(WAIT_S * 10):
            of.connection.process_data_events(time_limit=0.1)
            try:
                publish(of, "", "q", b"3", PERSISTENT, mandatory=True)
            except errors.NackError:
                # It ended while that was on its way.
                continue
            except errors.UnroutableError:
                break
        else:
            raise AssertionError("it does not end")


# Length


def full_queues_drop_their_heads():
    for arguments in [
        {"x-max-length": 2},
        {"x-max-length-bytes": 2},
        {"x-max-length": 2, "x-overflow": "drop-head"},
        {"x-max-length": 2, **QUORUM},
    ]:
        of = with_dead(arguments)
        for body in [b"1", b"2", b"3", b"4"]:
            publish(of, "", "q", body, PERSISTENT)
        died(of, "maxlen", [b"1", b"2"])
        same(bodies(consume(of, "q", 2)), [b"3", b"4"])
        # What is in hand does not count.
        for body in [b"5", b"6"]:
            publish(of, "", "q", body, PERSISTENT)
        of.basic_qos(prefetch_count=2)
        of.basic_consume("q", lambda *_: None)
        of.connection.process_data_events(time_limit=0.2)
        for body in [b"7", b"8"]:
            publish(of, "", "q", body, PERSISTENT)
        same(count(of, "dead"), 0)
        of.queue_delete("q")


def queues_of_no_length_hold_nothing():
    of = with_dead({"x-max-length": 0})
    publish(of, "", "q", b"1", PERSISTENT)
    died(of, "maxlen", [b"1"])


def full_queues_refuse():
    for arguments in [{"x-max-length": 1}, {"x-max-length-bytes": 1}, {"x-max-length": 1, **QUORUM}]:
        of = with_dead({"x-overflow": "reject-publish", **arguments})
        publish(of, "", "q", b"1", PERSISTENT)
        nacked(of, "q", b"2")
        same(bodies(consume(of, "q", 1)), [b"1"])
        same(count(of, "dead"), 0)
        publish(of, "", "q", b"3", PERSISTENT)
        of.queue_delete("q")


def what_full_queues_refuse_may_be_dead_lettered():
    of = with_dead({"x-overflow": "reject-publish-dlx", "x-max-length": 1})
    publish(of, "", "q", b"1", PERSISTENT)
    nacked(of, "q", b"2")
    died(of, "maxlen", [b"2"])
    same(bodies(consume(of, "q", 1)), [b"1"])


# Order and consumers


def priorities_are_kept_apart():
    of = channel()
    of.queue_declare("q", arguments={"x-max-priority": 5})
    for number, priority in enumerate([1, 9, None, 3, 5, 1, 0]):
        publish(of, "", "q", str(number).encode(), pika.BasicProperties(priority=priority))
    # More than the highest is the highest; none is the lowest.
    same(bodies(consume(of, "q", 7)), [b"1", b"4", b"3", b"0", b"5", b"2", b"6"])
    # Without the argument all are equal.
    of.queue_declare("plain")
    for priority in [0, 9, 5]:
        publish(of, "", "plain", str(priority).encode(), pika.BasicProperties(priority=priority))
    same(bodies(consume(of, "plain", 3)), [b"0", b"9", b"5"])


def one_consumer_is_active():
    for arguments in [{}, QUORUM]:
        of = channel()
        of.queue_declare("q", durable=True, arguments={"x-single-active-consumer": True, **arguments})
        found = []
        note = lambda name: lambda _channel, method, _properties, body: found.append((name, body))
        first = of.basic_consume("q", note("first"), auto_ack=True)
        of.basic_consume("q", note("second"), auto_ack=True)

        def wait(expected, of=of, found=found):
            for _ in range(WAIT_S * 10):
                if len(found) >= len(expected):
                    break
                of.connection.process_data_events(time_limit=0.1)
            same(found, expected)
            found.clear()

        for body in [b"1", b"2", b"3"]:
            publish(of, "", "q", body)
        wait([("first", b"1"), ("first", b"2"), ("first", b"3")])
        of.basic_cancel(first)
        publish(of, "", "q", b"4")
        wait([("second", b"4")])
        of.connection.close()
        channel().queue_delete("q")


def tries(of, requeue):
    """How often a message comes that is requeued each time until it dies, and what its deliveries say."""
    found, ends = [], time.monotonic() + WAIT_S
    for method, properties, _ in of.consume("q", inactivity_timeout=0.1):
        if method is None:
            if count(of, "dead"):
                break
            assert time.monotonic() < ends, f"{len(found)} came, and it is nowhere"
            continue
        counted = (properties.headers or {}).get("x-delivery-count", 0)
        found.append((method.redelivered, counted))
        if len(found) == 50:
            break
        requeue(method.delivery_tag)
    of.cancel()
    return found


def failed_deliveries_are_limited():
    check_limit({}, 21)
    check_limit({"x-delivery-limit": 2}, 3)
    check_limit({"x-delivery-limit": 0}, 1)


def check_limit(arguments, expected):
    of = with_dead({**QUORUM, **arguments})
    for requeue in [
        lambda tag: of.basic_nack(tag, requeue=True),
        lambda tag: of.basic_reject(tag, requeue=True),
    ]:
        publish(of, "", "q", b"1", PERSISTENT)
        found = tries(of, requeue)
        same(len(found), expected)
        same(found, [(number > 0, number) for number in range(expected)])
        died(of, "delivery_limit", [b"1"])
    of.queue_delete("q")


def there_may_be_no_limit():
    for arguments in [{**QUORUM, "x-delivery-limit": -1}, {}]:
        of = with_dead(arguments)
        publish(of, "", "q", b"1", PERSISTENT)
        same(len(tries(of, lambda tag, of=of: of.basic_nack(tag, requeue=True))), 50)
        same(count(of, "dead"), 0)
        of.queue_delete("q")


# Dead letters


def dead_letters_go_where_the_queue_says():
    safely = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    for arguments in [{}, QUORUM, {**QUORUM, **safely}]:
        of = channel()
        of.confirm_delivery()
        of.exchange_declare("dlx", "direct")
        of.queue_declare("own", durable=True)
        of.queue_declare("other", durable=True)
        of.queue_bind("own", "dlx", "q")
        of.queue_bind("other", "dlx", "said")
        for key, to in [(None, "own"), ("said", "other")]:
            said = {"x-dead-letter-exchange": "dlx", **arguments}
            if key is not None:
                said["x-dead-letter-routing-key"] = key
            of.queue_declare("q", durable=True, arguments=said)
            publish(of, "", "q", b"1", PERSISTENT)
            method, _, _ = of.basic_get("q")
            of.basic_reject(method.delivery_tag, requeue=False)
            (method, properties, body) = consume(of, to, 1)[0]
            same(properties.headers["x-death"][0]["reason"], "rejected")
            same((method.exchange, method.routing_key, body), ("dlx", key or "q", b"1"))
            of.queue_delete("q")


def a_dead_letter_exchange_need_not_be_there():
    of = channel()
    of.queue_declare("q", arguments={"x-dead-letter-exchange": "nowhere", "x-max-length": 1})
    of.confirm_delivery()
    for body in [b"1", b"2"]:
        publish(of, "", "q", body)
    same(bodies(consume(of, "q", 1)), [b"2"])


# What is declared


def declare(arguments, name="q", durable=True, **properties):
    """Declares a queue, and takes it away again."""
    of = channel()
    of.queue_declare(name, durable=durable, arguments=arguments, **properties)
    of.queue_delete(name)


def types_are_told_apart():
    of = channel()
    of.queue_declare("quorum", durable=True, arguments=QUORUM)
    of.queue_declare("quorum", durable=True, arguments=QUORUM)
    same(of.queue_declare("quorum", passive=True).method.message_count, 0)
    of.queue_declare("classic", durable=True)
    of.queue_declare("classic", durable=True, arguments={"x-queue-type": "classic"})
    for name, arguments in [
        ("quorum", None),
        ("quorum", {"x-queue-type": "classic"}),
        ("classic", QUORUM),
    ]:
        text = refused(406, lambda: channel().queue_declare(name, durable=True, arguments=arguments))
        start = f"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{name}' in vhost '/'"
        assert text.startswith(start), text
    text = refused(406, lambda: declare({"x-queue-type": "other"}))
    assert text.startswith("PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q'"), text


def quorum_queues_are_for_what_is_kept():
    for property, properties in [
        ("non-durable", {"durable": False}),
        ("exclusive-owner", {"exclusive": True}),
        ("auto-delete", {"auto_delete": True}),
    ]:
        text = refused(406, lambda: declare(QUORUM, **properties))
        same(text, f"PRECONDITION_FAILED - invalid property '{property}' for queue 'q' in vhost '/'")
    refused(406, lambda: declare(QUORUM, name=""))


def types_have_arguments_of_their_own():
    for kind, name, value in [
        ("quorum", "x-max-priority", 5),
        ("quorum", "x-queue-mode", "lazy"),
        ("quorum", "x-max-age", "1D"),
        ("classic", "x-delivery-limit", 5),
        ("classic", "x-quorum-initial-group-size", 3),
        ("classic", "x-max-age", "1D"),
        (None, "x-max-age", "1D"),
    ]:
        said = {name: value} if kind is None else {"x-queue-type": kind, name: value}
        text = refused(406, lambda: declare(said))
        start = f"PRECONDITION_FAILED - invalid arg '{name}' for queue 'q' in vhost '/' of queue type"
        assert text.startswith(start), text


def some_arguments_have_no_effect():
    declare({"x-queue-mode": "lazy"})
    declare({"x-queue-mode": "default"})
    declare({"x-queue-version": 2})
    declare({"x-queue-master-locator": "min-masters"})
    declare({"x-queue-leader-locator": "client-local"})
    declare({**QUORUM, "x-queue-leader-locator": "balanced"})
    declare({**QUORUM, "x-quorum-initial-group-size": 3})
    declare({**QUORUM, "x-max-in-memory-length": 5, "x-max-in-memory-bytes": 5})
    declare({**QUORUM, "x-dead-letter-strategy": "at-most-once"})
    # Nor has what nobody knows.
    declare({"x-my-own": "anything", "mine": None})


def wrong_values_are_refused():
    for name, values in [
        ("x-message-ttl", [-1, "100", True, TOO_LONG]),
        ("x-expires", [0, -1, "100", TOO_LONG]),
        ("x-max-length", [-1, "5"]),
        ("x-max-length-bytes", [-1, "5", True]),
        ("x-overflow", ["drop", 1]),
        ("x-max-priority", [-1, 256, "5"]),
        ("x-single-active-consumer", ["true", 1]),
        ("x-dead-letter-exchange", [5, True]),
        ("x-dead-letter-routing-key", ["key-without-exchange"]),
        ("x-queue-mode", ["eager", 1]),
        ("x-queue-version", [0, 3, "2"]),
        ("x-queue-type", ["other", 5]),
    ]:
        for value in values:
            check_wrong({name: value}, name)
    for name, values in [
        ("x-delivery-limit", ["5", -2]),
        ("x-dead-letter-strategy", ["never", 1]),
        ("x-max-in-memory-length", [-1]),
        ("x-max-in-memory-bytes", ["5"]),
        ("x-queue-leader-locator", ["somewhere", 1]),
        ("x-quorum-initial-group-size", [0, "3"]),
    ]:
        for value in values:
            check_wrong({**QUORUM, name: value}, name)


def check_wrong(arguments, name):
    text = refused(406, lambda: declare(arguments))
    start = f"PRECONDITION_FAILED - invalid arg '{name}' for queue 'q' in vhost '/': "
    assert text.startswith(start), f"{arguments}: {text}"


def other_arguments_are_another_queue():
    said = {
        "x-message-ttl": 1000,
        "x-max-length": 5,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "x",
        "x-max-priority": 3,
        "x-single-active-consumer": True,
        "x-expires": 600000,
    }
    of = channel()
    of.queue_declare("q", arguments=said)
    of.queue_declare("q", arguments=said)
    for name, value in [
        ("x-message-ttl", 1001),
        ("x-max-length", 6),
        ("x-overflow", "drop-head"),
        ("x-dead-letter-exchange", "y"),
        ("x-max-priority", 4),
        ("x-single-active-consumer", False),
        ("x-expires", 600001),
    ]:
        text = refused(406, lambda: channel().queue_declare("q", arguments={**said, name: value}))
        start = f"PRECONDITION_FAILED - inequivalent arg '{name}' for queue 'q' in vhost '/'"
        assert text.startswith(start), text
        without = {key: value for key, value in said.items() if key != name}
        refused(406, lambda: channel().queue_declare("q", arguments=without))


# Policies: `short` for names with `short` in them, at most 2 messages, to `dead`; an operator's at most 3 in all.


def policies_hold():
    of = channel()
    of.queue_declare("dead", durable=True)
    of.confirm_delivery()
    for name, arguments, properties in [
        ("a.short", {}, {"durable": True}),
        ("b.short", QUORUM, {"durable": True}),
        ("c.short", {}, {"exclusive": True}),
    ]:
        of.queue_declare(name, arguments=arguments, **properties)
        for body in [b"1", b"2", b"3"]:
            publish(of, "", name, body, PERSISTENT)
        found = consume(of, "dead", 1)
        same((found[0][1].headers["x-death"][0]["queue"], bodies(found)), (name, [b"1"]))
        # It is the same queue, for policies do not count.
        same(of.queue_declare(name, arguments=arguments, **properties).method.message_count, 2)
    of.queue_declare("long", arguments={"x-max-length": 10})
    for number in range(5):
        publish(of, "", "long", str(number).encode())
    same(bodies(consume(of, "long", 3)), [b"2", b"3", b"4"])
