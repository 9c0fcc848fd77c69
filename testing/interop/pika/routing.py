"""Where messages go, and when, as pika asks for it. Cases of cases.py."""

import time

import pika
from cases import PERSISTENT, WAIT_S, channel, connect, consume, consume_unsettled, publish, refused, same


def queues(of, *names):
    for name in names:
        of.queue_declare(name)


def bodies(of, name):
    """What is ready in a queue, taken out of it."""
    count = of.queue_declare(name, passive=True).method.message_count
    return [body for _, _, body in consume(of, name, count)] if count else []


def headers(**values):
    return pika.BasicProperties(headers=values)


def returned(of, call):
    """What is given back during a call, in a channel that is new."""
    found = []
    of.add_on_return_callback(lambda _, method, properties, body: found.append((method.reply_code, body)))
    call()
    of.connection.process_data_events()
    return found


# Further keys.


def copies_go_by_further_keys():
    connection = connect()
    of = connection.channel()
    queues(of, "to", "cc", "bcc")
    publish(of, "", "to", b"1", headers(CC=["cc", "cc", "to"], BCC=["bcc"], other=1))
    for name in ("to", "cc", "bcc"):
        [(method, properties, body)] = consume(of, name, 1)
        same((method.routing_key, body), ("to", b"1"))
        same(properties.headers, {"CC": ["cc", "cc", "to"], "other": 1})
        same(bodies(of, name), [])
    # What is got says no more.
    publish(of, "", "nowhere", b"2", headers(BCC=["bcc"]))
    _, properties, body = of.basic_get("bcc", auto_ack=True)
    same((properties.headers, body), ({}, b"2"))
    # Each key at any exchange.
    of.confirm_delivery()
    of.exchange_declare("d", "direct")
    of.queue_bind("cc", "d", "x")
    of.queue_bind("to", "amq.topic", "a.#")
    publish(of, "d", "none", b"3", headers(CC=["none", "x"]))
    publish(of, "amq.topic", "b", b"4", headers(CC=["a.1", "a.2"]))
    same((bodies(of, "cc"), bodies(of, "to")), ([b"3"], [b"4"]))
    for wrong in ("cc", 1, {"a": 1}):
        of = connection.channel()
        publish(of, "", "to", b"x", headers(CC=wrong))
        refused(406, lambda: of.queue_declare("to", passive=True))
    of = connection.channel()
    of.confirm_delivery()
    publish(of, "", "nowhere", b"5", headers(CC=["cc"]), mandatory=True)
    try:
        publish(of, "", "nowhere", b"6", headers(CC=["none"]), mandatory=True)
    except pika.exceptions.UnroutableError as error:
        same([it.body for it in error.messages], [b"6"])
    else:
        raise AssertionError("it is not returned")
    same(bodies(of, "cc"), [b"5"])


def dead_letters_go_by_all_keys_or_by_one():
    of = channel()
    queues(of, "one", "two", "three", "blind")
    for key, expected in ((None, ["one", "two", "blind"]), ("three", ["three"])):
        arguments = {"x-dead-letter-exchange": "", "x-message-ttl": 0}
        if key:
            arguments["x-dead-letter-routing-key"] = key
        of.exchange_declare("once", "direct")
        of.queue_declare("dying", arguments=arguments)
        of.queue_bind("dying", "once", "one")
        publish(of, "once", "one", b"x", headers(CC=["two"], BCC=["blind"]))
        for name in expected:
            [(_, properties, _)] = consume(of, name, 1)
            same(properties.headers.get("CC"), None if key else ["two"])
            assert "BCC" not in properties.headers, properties.headers
        same([bodies(of, name) for name in ("one", "two", "three", "blind")], [[]] * 4)
        of.queue_delete("dying")


# Transactions.


def what_goes_nowhere_is_returned_with_the_commit():
    of = channel()
    queues(of, "q")
    of.tx_select()

    def rolled_back():
        publish(of, "", "nowhere", b"0", mandatory=True)
        of.tx_rollback()

    same(returned(of, rolled_back), [])

    def committed():
        publish(of, "", "nowhere", b"1", mandatory=True)
        publish(of, "", "q", b"2", mandatory=True)
        publish(of, "", "nowhere", b"3")
        publish(of, "amq.direct", "nowhere", b"4", mandatory=True)
        of.connection.process_data_events()
        of.tx_commit()

    same(returned(of, committed), [(312, b"1"), (312, b"4")])
    same(bodies(of, "q"), [b"2"])


# Delays.


def delayed(of, name, kind="direct", **arguments):
    of.exchange_declare(name, "x-delayed-message", arguments={"x-delayed-type": kind, **arguments})


def delayed_messages_come_later():
    connection = connect()
    of = connection.channel()
    queues(of, "q")
    delayed(of, "late")
    of.queue_bind("q", "late", "k")
    of.queue_bind("q", "amq.direct", "k")
    since = time.monotonic()
    # In the order in which they are due: if all are by the time that they are consumed, they come as they were published.
    publish(of, "late", "k", b"0")
    publish(of, "amq.direct", "k", b"0", headers(**{"x-delay": 60_000}))
    publish(of, "late", "k", b"1", headers(**{"x-delay": 300, "h": "v"}))
    publish(of, "late", "k", b"2", headers(**{"x-delay": 900}))
    found = []
    for method, properties, body in of.consume("q", auto_ack=True, inactivity_timeout=WAIT_S):
        found.append((body, properties.headers, time.monotonic() - since))
        if len(found) == 4:
            break
    of.cancel()
    same([body for body, _, _ in found], [b"0", b"0", b"1", b"2"])
    same(found[1][1], {"x-delay": 60_000})
    same(found[2][1], {"x-delay": -300, "h": "v"})
    same(found[3][1], {"x-delay": -900})
    assert found[2][2] >= 0.3 and found[3][2] >= 0.9, found
    # Who declares it as the same gets the same.
    delayed(of, "late")
    of.exchange_declare("late", passive=True)
    refused(406, lambda: of.exchange_declare("late", "direct"))
    for arguments in ({}, {"x-delayed-type": "nosuch"}, {"x-delayed-type": 1}):
        of = connection.channel()
        declare = lambda: of.exchange_declare("x", "x-delayed-message", arguments=arguments)
        refused(406, declare)


def a_message_is_delayed_for_long():
    of = channel()
    of.confirm_delivery()
    of.queue_declare("later", durable=True)
    arguments = {"x-delayed-type": "topic"}
    of.exchange_declare("late", "x-delayed-message", durable=True, arguments=arguments)
    of.queue_bind("later", "late", "a.*")
    kept = pika.BasicProperties(delivery_mode=2, headers={"x-delay": 2_000})
    publish(of, "late", "a.b", b"kept", kept)
    kept.headers = {"x-delay": 4_294_967_295}
    publish(of, "late", "a.b", b"kept for long", kept)


def a_message_is_delayed_still():
    of = channel()
    arguments = {"x-delayed-type": "topic"}
    of.exchange_declare("late", "x-delayed-message", durable=True, arguments=arguments)
    [(_, properties, body)] = consume(of, "later", 1)
    same((body, properties.headers), (b"kept", {"x-delay": -2_000}))
    publish(of, "late", "a.b", b"at once", PERSISTENT)
    same(consume(of, "later", 1)[0][2], b"at once")
    # The other waits in its queue, and counts there.
    same(of.queue_declare("later", passive=True).method.message_count, 1)
    same(of.basic_get("later"), (None, None, None))


# Kinds of exchanges.


def hashed_messages_are_spread():
    connection = connect()
    of = connection.channel()
    of.confirm_delivery()
    names = ["1", "2", "3"]
    queues(of, *names)
    for exchange, arguments in (
        ("by-key", {}),
        ("by-header", {"hash-header": "on"}),
        ("by-property", {"hash-property": "message_id"}),
    ):
        of.exchange_declare(exchange, "x-consistent-hash", arguments=arguments)
        for name, weight in zip(names, ("1", "1", "10")):
            of.queue_bind(name, exchange, weight)
        for _ in range(2):
            for number in range(300):
                key, on, id = "", "", ""
                if exchange == "by-key":
                    key = str(number)
                elif exchange == "by-header":
                    on = str(number)
                else:
                    id = str(number)
                properties = pika.BasicProperties(headers={"on": on}, message_id=id)
                publish(of, exchange, key, str(number).encode(), properties)
        shares = [bodies(of, name) for name in names]
        same(sum(map(len, shares)), 600)
        for share in shares:
            # Equal values go to the same queue.
            same(share[: len(share) // 2], share[len(share) // 2 :])
            assert share, f"{exchange}: {[len(share) for share in shares]}"
        assert len(shares[2]) > 2 * max(len(shares[0]), len(shares[1])), exchange
        # Those who lack it are alike.
        for number in range(10):
            publish(of, exchange, "", b"x")
        same(sorted(len(bodies(of, name)) for name in names), [0, 0, 10])
    refused(406, lambda: of.queue_bind("1", "by-key", "heavy"))
    for arguments in ({"hash-property": "app_id"}, {"hash-header": "h", "hash-property": "timestamp"}):
        of = connection.channel()
        refused(406, lambda: of.exchange_declare("x", "x-consistent-hash", arguments=arguments))


def random_exchanges_choose_one():
    of = channel()
    of.confirm_delivery()
    queues(of, "1", "2")
    of.exchange_declare("r", "x-random")
    of.queue_bind("1", "r", "k")
    of.queue_bind("2", "r")
    for number in range(200):
        publish(of, "r", "whatever", str(number).encode())
    shares = [bodies(of, name) for name in ("1", "2")]
    same(sorted(int(body) for share in shares for body in share), list(range(200)))
    assert min(map(len, shares)) > 50, shares


def alternates_get_what_nobody_gets():
    connection = connect()
    of = connection.channel()
    queues(of, "q", "lost")
    of.exchange_declare("lost", "fanout")
    of.exchange_declare("d", "direct", arguments={"alternate-exchange": "lost"})
    of.queue_bind("q", "d", "k")
    of.confirm_delivery()
    # Nobody is bound to the alternate.
    try:
        publish(of, "d", "other", b"0", mandatory=True)
    except pika.exceptions.UnroutableError:
        pass
    else:
        raise AssertionError("it is not returned")
    of.queue_bind("lost", "lost")
    publish(of, "d", "k", b"1", mandatory=True)
    publish(of, "d", "other", b"2", mandatory=True)
    same((bodies(of, "q"), bodies(of, "lost")), ([b"1"], [b"2"]))
    publish(of, "d", "other", b"3")
    [(method, _, _)] = consume(of, "lost", 1)
    same((method.exchange, method.routing_key), ("d", "other"))
    # The alternate goes, what leads to it stays.
    of.exchange_delete("lost")
    publish(of, "d", "other", b"4")
    of.exchange_declare("d", "direct", arguments={"alternate-exchange": "lost"})
    text = refused(406, lambda: of.exchange_declare("d", "direct", arguments={"alternate-exchange": "q"}))
    assert "inequivalent arg 'alternate-exchange' for exchange 'd'" in text, text


def exchanges_are_for_exchanges():
    connection = connect()
    of = connection.channel()
    of.confirm_delivery()
    queues(of, "q")
    of.exchange_declare("inner", "fanout", internal=True)
    of.exchange_declare("outer", "topic")
    of.exchange_bind("inner", "outer", "a.*")
    of.exchange_bind("outer", "inner")
    of.queue_bind("q", "inner")
    publish(of, "outer", "a.b", b"1")
    same(bodies(of, "q"), [b"1"])
    of.exchange_unbind("inner", "outer", "b.*")
    of.exchange_unbind("inner", "outer", "a.*")
    publish(of, "outer", "a.b", b"2")
    same(bodies(of, "q"), [])

    def wrong(code, call):
        of = connection.channel()
        return refused(code, lambda: (call(of), of.queue_declare("q", passive=True)))

    text = wrong(403, lambda of: publish(of, "inner", "", b"x"))
    assert "cannot publish to internal exchange 'inner'" in text, text
    wrong(404, lambda of: of.exchange_bind("inner", "missing"))
    wrong(404, lambda of: of.exchange_bind("missing", "inner"))
    wrong(404, lambda of: of.queue_bind("missing", "inner"))
    wrong(404, lambda of: of.exchange_declare("missing", passive=True))
    wrong(403, lambda of: of.exchange_declare("", "direct"))
    wrong(403, lambda of: of.exchange_declare("amq.mine", "direct"))
    wrong(403, lambda of: of.exchange_delete("amq.direct"))
    wrong(403, lambda of: of.queue_bind("q", "", "k"))
    text = wrong(406, lambda of: of.exchange_declare("outer", "direct"))
    assert "inequivalent arg 'type' for exchange 'outer'" in text, text
    text = wrong(406, lambda of: of.exchange_declare("outer", "topic", durable=True))
    assert "inequivalent arg 'durable' for exchange 'outer'" in text, text
    wrong(406, lambda of: of.exchange_declare("inner", "fanout"))


def what_is_used_is_not_deleted():
    connection = connect()
    of = connection.channel()
    # Arguments that mean nothing do not count.
    of.exchange_declare("x", "direct", arguments={"unknown": 1})
    of.exchange_declare("x", "direct", arguments={"unknown": 2, "other": None})
    queues(of, "q")
    of.queue_bind("q", "x", "k")

    def kept(call):
        of = connection.channel()
        return refused(406, lambda: call(of))

    text = kept(lambda of: of.exchange_delete("x", if_unused=True))
    assert "exchange 'x' in vhost '/' in use" in text, text
    publish(of, "x", "k", b"1")
    text = kept(lambda of: of.queue_delete("q", if_empty=True))
    assert "queue 'q' in vhost '/' not empty" in text, text
    same([body for _, _, body in consume_unsettled(of, "q", 1)], [b"1"])
    text = kept(lambda of: of.queue_delete("q", if_unused=True))
    assert "queue 'q' in vhost '/' in use" in text, text
    of.close()
    of = connection.channel()
    same(of.queue_delete("q", if_unused=True).method.message_count, 1)
    of.exchange_delete("x", if_unused=True)
    # What is not there is no error.
    of.exchange_delete("x", if_unused=True)
    of.queue_delete("q", if_empty=True)
    # Exchanges that end by themselves.
    queues(of, "q")
    of.exchange_declare("auto", "direct", auto_delete=True)
    of.exchange_declare("auto", passive=True)
    of.queue_bind("q", "auto", "k")
    of.queue_unbind("q", "auto", "k")
    refused(404, lambda: of.exchange_declare("auto", passive=True))
