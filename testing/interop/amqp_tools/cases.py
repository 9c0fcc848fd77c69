"""The tools of rabbitmq-c (Debian's amqp-tools), as shell scripts use them. Usage: cases.py CASE VERSION HOST PORT"""

import pathlib
import signal
import subprocess
import sys
import tempfile

# Never waited out when all is well.
WAIT_S = 60

URL = f"amqp://guest:guest@{sys.argv[3]}:{sys.argv[4]}/%2f"


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def run(tool, *args, input=b"", status=0):
    """What a tool prints."""
    command = [f"amqp-{tool}", f"--url={URL}", *args]
    done = subprocess.run(command, input=input, capture_output=True, timeout=WAIT_S)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stderr.decode()}"
    return done.stdout if status == 0 else done.stderr


def start(tool, *args):
    return subprocess.Popen([f"amqp-{tool}", f"--url={URL}", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def a_queue_is_declared_and_deleted():
    same(run("declare-queue", "--queue=q", "--durable"), b"q\n")
    run("publish", "--routing-key=q", "--body=1")
    run("publish", "--routing-key=q", "--body=2")
    # It is there as it was declared, and not to be had as anything else.
    same(run("declare-queue", "--queue=q", "--durable"), b"q\n")
    assert b"PRECONDITION_FAILED" in run("declare-queue", "--queue=q", status=1)
    assert b"PRECONDITION_FAILED" in run("delete-queue", "--queue=q", "--if-empty", status=1)
    # It prints how many messages went with the queue.
    same(run("delete-queue", "--queue=q"), b"2\n")
    assert b"NOT_FOUND" in run("get", "--queue=q", status=1)


def messages_are_published_and_got():
    run("declare-queue", "--queue=q")
    same(run("get", "--queue=q", status=2), b"")
    large = bytes(range(256)) * 2000
    run("publish", "--routing-key=q", "--persistent", "--content-type=text/plain", input=b"from its input")
    run("publish", "--routing-key=q", "--content-encoding=none", "--header=a: b", input=large)
    run("publish", "--routing-key=q", "--reply-to=answers", "--body=words")
    run("publish", "--routing-key=q", "--line-buffered", input=b"one\ntwo\n")
    same(run("get", "--queue=q"), b"from its input")
    same(run("get", "--queue=q"), large)
    same([run("get", "--queue=q") for _ in range(3)], [b"words", b"one\n", b"two\n"])
    same(run("get", "--queue=q", status=2), b"")
    # It closes its channel behind the publish, and learns all the same that there is no such exchange.
    for _ in range(10):
        assert b"NOT_FOUND" in run("publish", "--exchange=nowhere", "--body=1", status=1)


def messages_are_consumed():
    run("declare-queue", "--queue=q")
    for number in range(5):
        run("publish", "--routing-key=q", f"--body={number} ")
    # What one did not take is left for others.
    same(run("consume", "--queue=q", "--count=3", "--prefetch-count=1", "cat"), b"0 1 2 ")
    same(run("consume", "--queue=q", "--count=2", "--no-ack", "cat"), b"3 4 ")
    # A consumer that is killed while its command runs leaves the message in the queue.
    run("publish", "--routing-key=q", "--body=again")
    with tempfile.TemporaryDirectory(prefix="interop-amqp-tools-") as folder:
        script = pathlib.Path(folder) / "script"
        script.write_text("kill -KILL $PPID")
        same(start("consume", "--queue=q", "--count=1", "sh", str(script)).wait(WAIT_S), -signal.SIGKILL)
    same(run("consume", "--queue=q", "--count=1", "cat"), b"again")


def a_consumer_binds_its_own_queue():
    with tempfile.TemporaryDirectory(prefix="interop-amqp-tools-") as folder:
        came, script = pathlib.Path(folder) / "came", pathlib.Path(folder) / "script"
        script.write_text(f"cat >> {came}; echo >> {came}; echo got")
        consumer = start("consume", "--exchange=amq.topic", "--routing-key=a.#", "--count=2", "sh", str(script))
        # Nothing tells when its queue is bound: something is published until it comes.
        while not came.exists():
            assert consumer.poll() is None
            run("publish", "--exchange=amq.topic", "--routing-key=a.b", "--body=x")
        run("publish", "--exchange=amq.topic", "--routing-key=b", "--body=not for it")
        run("publish", "--exchange=amq.topic", "--routing-key=a", "--body=x")
        same(consumer.wait(WAIT_S), 0)
        same(consumer.stdout.read(), b"got\ngot\n")
        same(came.read_text().split(), ["x", "x"])


def logins_are_checked():
    global URL
    right = URL
    URL = URL.replace("guest:guest", "guest:wrong")
    assert run("get", "--queue=q", status=1)
    URL = right
    run("declare-queue", "--queue=q")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
