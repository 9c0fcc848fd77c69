"""Celery with its results over `rpc://`: a caller, and workers as people run them. Usage: cases.py CASE VERSION HOST PORT"""

import contextlib
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

# Never waited out when all is well.
WAIT_S = 60

HOST, PORT = sys.argv[3], int(sys.argv[4])
FOLDER = tempfile.TemporaryDirectory(prefix="interop-celery-")
TRACES = pathlib.Path(FOLDER.name)
os.environ["BROKER"] = f"amqp://guest:guest@{HOST}:{PORT}//"
os.environ["TRACES"] = FOLDER.name

import tasks  # noqa: E402 (it reads the variables)
from celery import chain, chord, group  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402

app = tasks.app


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def traces(name):
    path = TRACES / name
    return path.read_text().splitlines() if path.exists() else []


def until(what, look):
    """Looks until there is something: another process gives no event to wait for."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


class Worker:
    """A worker in a process group of its own, which ends with the `with`."""

    def __init__(self, name="w", queues="celery,urgent,passing", pool="prefork", concurrency=2):
        self.name = f"{name}@test"
        self.log = TRACES / f"{name}.log"
        command = [sys.executable, "-B", "-m", "celery", "-A", "tasks", "worker"]
        command += ["-n", self.name, "-Q", queues, "-P", pool, "-c", str(concurrency), "-l", "INFO"]
        folder = os.path.dirname(os.path.abspath(__file__))
        environment = dict(os.environ, PYTHONPATH=folder)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, cwd=FOLDER.name, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def __enter__(self):
        until("ready", lambda: f"{self.name} ready." in self.said())
        return self

    def __exit__(self, kind, value, where):
        if kind is not None:
            print(self.said(), file=sys.stderr)
        self.kill()

    def said(self):
        assert self.process.poll() is None, f"the worker ended:\n{self.log.read_text()}"
        return self.log.read_text()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Ends it as people do."""
        self.process.send_signal(signal.SIGTERM)
        same(self.process.wait(WAIT_S), 0)


def restart_broker():
    print("restart", flush=True)
    same(sys.stdin.readline(), "restarted\n")


# Results.


def tasks_answer():
    with Worker() as worker:
        same(tasks.add.delay(2, 3).get(WAIT_S), 5)
        results = [tasks.add.delay(number, number) for number in range(100)]
        same([result.get(WAIT_S) for result in results], [2 * number for number in range(100)])
        same(tasks.echo.delay("Größe " * 100_000).get(WAIT_S), "Größe " * 100_000)
        result = tasks.echo.apply_async([b"\0\xff"], serializer="json", compression="zlib", queue="passing")
        same(result.get(WAIT_S), b"\0\xff")
        failed = tasks.fail.delay("wrong")
        try:
            failed.get(WAIT_S)
        except ValueError as error:
            same(error.args, ("wrong",))
        else:
            raise AssertionError("it does not fail")
        same(failed.state, "FAILURE")
        worker.stop()


def groups_and_chains_answer():
    with Worker():
        same(group(tasks.add.s(number, 1) for number in range(20))().get(WAIT_S), list(range(1, 21)))
        same(chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4))().get(WAIT_S), 10)
        same(tasks.total.map([[1, 2], [3, 4]]).delay().get(WAIT_S), [3, 7])
        # Not over rpc://, whichever broker: the backend says so.
        try:
            chord([tasks.add.s(1, 1)])(tasks.total.s())
        except NotImplementedError:
            pass
        else:
            raise AssertionError("rpc:// has chords")


# Retries and times.


def tasks_are_retried():
    with Worker():
        same(tasks.fail_twice.delay(0.3).get(WAIT_S), 2)
        times = [float(line) for line in traces("attempts")]
        same(len(times), 3)
        assert all(later - earlier >= 0.3 for earlier, later in zip(times, times[1:])), times
        try:
            tasks.fail_always.delay().get(WAIT_S)
        except ValueError as error:
            same(error.args, ("always",))
        else:
            raise AssertionError("it does not fail")


def tasks_wait_for_their_time():
    with Worker():
        # It expires while it waits for its time. (Not before it is with the worker: nobody would be told.)
        late = tasks.note.apply_async(["late"], expires=5, countdown=6)
        wanted = time.time() + 8
        eta = datetime.datetime.fromtimestamp(wanted, datetime.timezone.utc)
        # More of them than the worker has in hand at a time: it raises its prefetch for each, now and then.
        waiting = [tasks.when.apply_async(eta=eta) for _ in range(5)]
        same(tasks.add.delay(1, 1).get(WAIT_S), 2)
        assert not any(result.ready() for result in waiting), "those stand in the way of this one"
        assert all(result.get(WAIT_S) >= wanted for result in waiting)
        try:
            late.get(WAIT_S)
        except TaskRevokedError:
            pass
        else:
            raise AssertionError("it is not expired")
        same(traces("notes"), [])


# Control: fan-out to the workers and answers through a queue for the caller.


def workers_are_controlled():
    with Worker("one") as one, Worker("two", queues="urgent") as two:
        names = {one.name, two.name}

        def inspect(what):
            answers = until(what, lambda: (found := getattr(app.control.inspect(timeout=1, limit=2), what)()) and len(found) == 2 and found)
            same(set(answers), names)
            return answers

        same(inspect("ping"), {name: {"ok": "pong"} for name in names})
        queues = inspect("active_queues")
        same([queue["name"] for queue in queues[two.name]], ["urgent"])
        same({queue["name"] for queue in queues[one.name]}, {"celery", "urgent", "passing"})
        assert "tasks.add" in inspect("registered")[one.name]
        # A task that waits is revoked, and one that runs is ended.
        waiting = tasks.note.apply_async(["revoked"], countdown=3600)
        until("the waiting task", lambda: any(found for found in (app.control.inspect(timeout=1, limit=2).scheduled() or {}).values()))
        app.control.revoke(waiting.id, reply=True, timeout=WAIT_S, limit=2)
        same(traces("notes"), [])
        running = tasks.hang.delay()
        until("the running task", lambda: traces("hangs"))
        app.control.terminate(running.id, signal="SIGKILL", reply=True, timeout=WAIT_S, limit=2)
        try:
            running.get(WAIT_S)
        except TaskRevokedError:
            pass
        else:
            raise AssertionError("it is not revoked")
        # A worker that reads another queue when told to.
        app.control.add_consumer("more", destination=[two.name], reply=True, timeout=WAIT_S, limit=1)
        same(tasks.add.apply_async([1, 2], queue="more").get(WAIT_S), 3)
        app.control.cancel_consumer("more", destination=[two.name], reply=True, timeout=WAIT_S, limit=1)
        app.control.shutdown()
        for worker in (one, two):
            same(worker.process.wait(WAIT_S), 0)


def events_are_heard():
    heard = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": heard.append})
        with receiver.consumer_context() as (events, _, _), Worker():
            result = tasks.add.delay(1, 2)
            wanted = {"worker-heartbeat", "task-sent", "task-received", "task-started", "task-succeeded"}

            def all_heard():
                with contextlib.suppress(TimeoutError):
                    events.drain_events(timeout=1)
                return wanted <= {event["type"] for event in heard}

            until(wanted, all_heard)
            same(result.get(WAIT_S), 3)


# What is urgent, what is lost.


def the_urgent_comes_first():
    with app.connection() as connection:
        for queue in app.amqp.queues.values():
            queue(connection).declare()
    for number, priority in enumerate([0, 9, 3, 9, 5, 1]):
        tasks.note.apply_async([f"{priority}-{number}"], priority=priority)
    with Worker(concurrency=1, pool="solo"):
        tasks.note.apply_async(["end"], priority=0).get(WAIT_S)
        same(traces("notes"), ["9-1", "9-3", "5-4", "3-2", "1-5", "0-0", "end"])


def what_a_killed_worker_had_runs_again():
    with Worker("one") as one:
        result = tasks.hang_once.delay()
        until("the task", lambda: traces("hung"))
        one.kill()
    with Worker("two"):
        same(result.get(WAIT_S), True)
        same(traces("hung"), ["False", "True"])


def tasks_survive_a_kill_of_the_broker():
    with Worker(concurrency=1):
        same(tasks.add.delay(1, 1).get(WAIT_S), 2)
        # Nobody runs what is sent now: it is in the queue when the broker is killed.
        app.control.cancel_consumer("celery", reply=True, timeout=WAIT_S, limit=1)
        for number in range(20):
            tasks.leave.delay(number)
        restart_broker()

        def ping():
            # The first attempts may find a connection that is gone.
            with contextlib.suppress(*app.connection().connection_errors):
                return app.control.inspect(timeout=1, limit=1).ping()

        until("the worker", ping)
        app.control.add_consumer("celery", reply=True, timeout=WAIT_S, limit=1)
        same(tasks.add.delay(2, 2).get(WAIT_S), 4)
        until("the last", lambda: len(traces("left")) == 20)
        same(traces("left"), [str(number) for number in range(20)])


if __name__ == "__main__":
    globals()[sys.argv[1]]()
