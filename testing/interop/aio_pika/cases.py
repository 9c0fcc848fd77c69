"""Features of AMQP 0-9-1 as aio-pika uses them. Usage: cases.py CASE VERSION HOST PORT"""

import asyncio
import contextlib
import datetime
import sys

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelInvalidStateError, ChannelPreconditionFailed, DeliveryError, MessageProcessError, PublishError, QueueEmpty
from aio_pika.patterns import RPC, Master, NackMessage, RejectMessage

# Never waited out when all is well.
WAIT_S = 60

HOST, PORT = sys.argv[3], int(sys.argv[4])


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


async def connect(**settings):
    return await aio_pika.connect_robust(host=HOST, port=PORT, reconnect_interval=0.1, **settings)


async def take(queue, count, **settings):
    """The next messages of a queue, acknowledged."""
    found = []
    async with queue.iterator(timeout=WAIT_S, **settings) as messages:
        async for message in messages:
            found.append(message)
            if not settings.get("no_ack"):
                await message.ack()
            if len(found) == count:
                return found


async def depth(channel, name):
    """How many messages a queue has. `declare_queue` of a robust channel remembers an answer of before."""
    underlay = await channel.get_underlay_channel()
    return (await underlay.queue_declare(name, passive=True)).message_count


async def restart_broker():
    print("restart", flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    same(line, "restarted\n")


# Publishing.


async def publishes_are_confirmed():
    async with await connect() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", durable=True)
        exchange = channel.default_exchange
        persistent = DeliveryMode.PERSISTENT
        # Many at one time, each of which waits for its own confirm.
        sent = [
            exchange.publish(Message(str(number).encode(), delivery_mode=persistent), "q")
            for number in range(500)
        ]
        confirmed = await asyncio.gather(*sent)
        same({frame.name for frame in confirmed}, {"Basic.Ack"})
        found = await take(queue, 500)
        same([message.body for message in found], [str(number).encode() for number in range(500)])
        full = await channel.declare_queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        await exchange.publish(Message(b"1"), full.name)
        try:
            await exchange.publish(Message(b"2"), full.name)
        except DeliveryError as error:
            same(error.frame.name, "Basic.Nack")
        else:
            raise AssertionError("a full queue is not told")


async def what_goes_nowhere_is_returned():
    async with await connect() as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.declare_exchange("x", ExchangeType.DIRECT, auto_delete=True)
        try:
            await exchange.publish(Message(b"body", headers={"a": 1}), "nobody")
        except PublishError as error:
            returned = error.message
            same((returned.delivery.reply_code, returned.delivery.reply_text), (312, "NO_ROUTE"))
            same((returned.delivery.exchange, returned.delivery.routing_key), ("x", "nobody"))
            same((returned.body, returned.header.properties.headers), (b"body", {"a": 1}))
        else:
            raise AssertionError("it is not returned")
        other = await connection.channel()
        came = asyncio.get_running_loop().create_future()
        other.return_callbacks.add(lambda _, message: came.set_result(message))
        frame = await other.default_exchange.publish(Message(b"seen"), "nobody")
        same((await asyncio.wait_for(came, WAIT_S)).body, b"seen")
        same(frame.body, b"seen")


async def properties_stay():
    said = dict(
        content_type="text/plain",
        content_encoding="gzip",
        headers={
            "text": "Größe",
            "number": -(1 << 40),
            "yes": True,
            "half": 0.5,
            "list": [1, "a", {"b": None}],
            "in": {"deep": {"er": [bytearray(b"\xff")]}},
            "at": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        },
        delivery_mode=DeliveryMode.PERSISTENT,
        priority=7,
        correlation_id="c",
        reply_to="answers",
        expiration=60,
        message_id="m",
        timestamp=datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        type="t",
        user_id="guest",
        app_id="a",
    )
    async with await connect() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", exclusive=True)
        await channel.default_exchange.publish(Message(bytes(range(256)), **said), "q")
        [found] = await take(queue, 1)
        same(found.body, bytes(range(256)))
        for name, value in said.items():
            same((name, getattr(found, name)), (name, value))


# Consuming.


async def consumers_have_their_prefetch():
    async with await connect() as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=3)
        queue = await channel.declare_queue("q", auto_delete=True)
        for number in range(7):
            await channel.default_exchange.publish(Message(str(number).encode()), "q")
        came, held = asyncio.Queue(), []
        tag = await queue.consume(came.put)
        for _ in range(3):
            held.append(await asyncio.wait_for(came.get(), WAIT_S))
        # The broker has the rest: three are in hand, and no more come.
        same(await depth(channel, "q"), 4)
        assert came.empty()
        await held[0].ack()
        held.append(await asyncio.wait_for(came.get(), WAIT_S))
        await held[3].nack(requeue=True)
        again = await asyncio.wait_for(came.get(), WAIT_S)
        same((again.body, again.redelivered), (b"3", True))
        await again.ack()
        await held[1].reject(requeue=False)
        await held[2].ack()
        same([(await asyncio.wait_for(came.get(), WAIT_S)).body for _ in range(3)], [b"4", b"5", b"6"])
        await queue.cancel(tag)


async def messages_are_got_one_by_one():
    async with await connect() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", exclusive=True)
        same(await queue.get(fail=False), None)
        try:
            await queue.get(timeout=WAIT_S)
        except QueueEmpty:
            pass
        else:
            raise AssertionError("it is not empty")
        for number in range(3):
            await channel.default_exchange.publish(Message(str(number).encode()), "q")
        message = await queue.get()
        same((message.body, message.message_count, message.redelivered), (b"0", 2, False))
        await message.nack(requeue=True)
        message = await queue.get(no_ack=True)
        same((message.body, message.redelivered), (b"0", True))
        same((await queue.purge()).message_count, 2)


async def a_message_that_cannot_be_processed_is_rejected():
    async with await connect() as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue("dead", exclusive=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        queue = await channel.declare_queue("q", exclusive=True, arguments=arguments)
        await channel.default_exchange.publish(Message(b"1"), "q")
        message = await queue.get()
        try:
            async with message.process():
                raise ValueError("no")
        except ValueError:
            pass
        same([found.body for found in await take(dead, 1)], [b"1"])
        # A message is settled once.
        try:
            await message.ack()
        except MessageProcessError:
            pass
        else:
            raise AssertionError("it is settled twice")


async def transactions_take_effect_together():
    async with await connect() as connection:
        channel = await connection.channel(publisher_confirms=False)
        other = await connection.channel()
        queue = await other.declare_queue("q", durable=True)

        async def publish(body):
            message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "q")

        async with channel.transaction():
            await publish(b"1")
            await publish(b"2")
            same(await depth(other, "q"), 0)
        same([message.body for message in await take(queue, 2)], [b"1", b"2"])
        try:
            async with channel.transaction():
                await publish(b"3")
                raise ValueError("no")
        except ValueError:
            pass
        same(await queue.get(fail=False), None)


async def exchanges_route():
    async with await connect() as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", exclusive=True)
        first = await channel.declare_exchange("first", ExchangeType.TOPIC)
        second = await channel.declare_exchange("second", ExchangeType.HEADERS)
        await second.bind(first, "a.#")
        await queue.bind(second, arguments={"x-match": "any", "k": 1, "l": "x"})
        for key, headers in (("a.b", {"k": 1}), ("a", {"l": "x", "k": 2}), ("b", {"k": 1}), ("a.c", {"k": "1"})):
            await first.publish(Message(key.encode(), headers=headers), key)
        same([message.body for message in await take(queue, 2)], [b"a.b", b"a"])
        await queue.unbind(second, arguments={"x-match": "any", "k": 1, "l": "x"})
        await second.unbind(first, "a.#")
        await first.publish(Message(b"none", headers={"k": 1}), "a.b")
        same(await queue.get(fail=False), None)
        try:
            await channel.declare_exchange("first", ExchangeType.FANOUT)
        except ChannelPreconditionFailed:
            pass
        else:
            raise AssertionError("an exchange has two types")


# What ends and comes back.


async def a_silent_connection_stays():
    closed = []
    async with await connect(heartbeat=2) as connection:
        connection.close_callbacks.add(lambda *ended: closed.append(ended))
        channel = await connection.channel()
        queue = await channel.declare_queue("q", exclusive=True)
        # Longer than the broker waits for a client that sends nothing.
        await asyncio.sleep(5)
        await channel.default_exchange.publish(Message(b"1"), "q")
        same((await queue.get()).body, b"1")
        same(closed, [])


async def a_robust_connection_survives_a_kill():
    async with await connect() as connection:
        back = asyncio.Event()
        connection.reconnect_callbacks.add(lambda *_: back.set())
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        durable = await channel.declare_queue("kept", durable=True)
        passing = await channel.declare_queue("passing", exclusive=True)
        exchange = await channel.declare_exchange("x", ExchangeType.FANOUT)
        await passing.bind(exchange)
        came, passed = asyncio.Queue(), asyncio.Queue()
        for number in range(20):
            message = Message(str(number).encode(), delivery_mode=DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "kept")
        await durable.consume(came.put)
        await passing.consume(passed.put, no_ack=True)
        held = [await asyncio.wait_for(came.get(), WAIT_S) for _ in range(10)]
        await asyncio.gather(*(message.ack() for message in held[:5]))
        await restart_broker()
        await asyncio.wait_for(back.wait(), WAIT_S)
        # Exchange, queues, bindings and consumers are made again by the client; what was not settled comes again.
        found = {}
        while not set(range(5, 20)) <= set(found):
            message = await asyncio.wait_for(came.get(), WAIT_S)
            # What came before the kill cannot be acknowledged any more.
            with contextlib.suppress(ChannelInvalidStateError):
                await message.ack()
                found[int(message.body)] = message.redelivered
        assert all(found[number] for number in range(5, 10)), found
        await exchange.publish(Message(b"again"), "")
        same((await asyncio.wait_for(passed.get(), WAIT_S)).body, b"again")


# Patterns.


async def calls_are_answered():
    async with await connect() as connection, await connect() as others:
        server = await RPC.create(await others.channel())
        client = await RPC.create(await connection.channel())

        async def multiply(*, x, y):
            return x * y

        async def fail():
            raise ValueError("no")

        await server.register("multiply", multiply, auto_delete=True)
        await server.register("fail", fail, auto_delete=True)
        calls = [client.proxy.multiply(x=number, y=2) for number in range(50)]
        same(await asyncio.wait_for(asyncio.gather(*calls), WAIT_S), [number * 2 for number in range(50)])
        try:
            await asyncio.wait_for(client.call("fail"), WAIT_S)
        except ValueError as error:
            same(error.args, ("no",))
        else:
            raise AssertionError("it does not fail")
        # A method that nobody has is returned to the caller.
        try:
            await asyncio.wait_for(client.call("nothing"), WAIT_S)
        except aio_pika.exceptions.MessageProcessError:
            pass
        else:
            raise AssertionError("it is answered")
        # A call that expires before it is answered comes back as a dead letter, by its headers.
        await (await others.channel()).declare_queue(
            "sleeper", auto_delete=True, arguments={"x-dead-letter-exchange": RPC.DLX_NAME}
        )
        try:
            await asyncio.wait_for(client.call("sleeper", expiration=0.1), WAIT_S)
        except asyncio.TimeoutError as error:
            assert "sleeper" in str(error) or error.args, error
        else:
            raise AssertionError("it is answered")


async def workers_share_tasks():
    async with await connect() as connection, await connect() as others:
        done, tries = asyncio.Queue(), []
        for name in ("one", "two"):
            channel = await others.channel()
            await channel.set_qos(prefetch_count=1)

            async def work(*, number, name=name):
                tries.append(number)
                if number == 3 and tries.count(3) == 1:
                    raise NackMessage(requeue=True)
                if number == 4:
                    await done.put((name, -4))
                    raise RejectMessage(requeue=False)
                await done.put((name, number))

            await Master(channel).create_worker("work", work, auto_delete=True)
        master = Master(await connection.channel())
        for number in range(20):
            await master.proxy.work(number=number)
        found = [await asyncio.wait_for(done.get(), WAIT_S) for _ in range(20)]
        same(sorted(number for _, number in found), sorted([*range(4), -4, *range(5, 20)]))
        same({name for name, _ in found}, {"one", "two"})


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]]())
