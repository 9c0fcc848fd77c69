"""The tasks that worker and caller know, and their settings. The broker stands in the variable BROKER."""

import os
import pathlib
import time

from celery import Celery
from kombu import Exchange, Queue

app = Celery("tasks", broker=os.environ["BROKER"], backend="rpc://")
app.conf.update(
    broker_heartbeat=10,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"confirm_publish": True},
    # One task in hand: what comes later may overtake what waits in the queue by its priority.
    worker_prefetch_multiplier=1,
    task_queues=[
        Queue("celery", Exchange("celery"), routing_key="celery"),
        Queue("urgent", Exchange("urgent"), routing_key="urgent", max_priority=9),
        Queue("passing", Exchange("passing"), routing_key="passing", expires=60, message_ttl=30),
    ],
    task_routes={"tasks.note": "urgent"},
    worker_enable_remote_control=True,
    result_expires=60,
    task_send_sent_event=True,
    worker_send_task_events=True,
)

# Where tasks leave traces: a folder that caller and workers share.
TRACES = pathlib.Path(os.environ["TRACES"])


def trace(name, text):
    with open(TRACES / name, "a") as file:
        file.write(f"{text}\n")


@app.task
def add(a, b):
    return a + b


@app.task
def echo(value):
    return value


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def fail_twice(self, countdown):
    trace("attempts", time.time())
    if self.request.retries < 2:
        raise self.retry(countdown=countdown)
    return self.request.retries


@app.task(bind=True, max_retries=1)
def fail_always(self):
    raise self.retry(exc=ValueError("always"), countdown=0)


@app.task
def note(text):
    trace("notes", text)


@app.task(ignore_result=True)
def leave(number):
    trace("left", number)


@app.task
def when():
    return time.time()


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def hang_once(self):
    """Hangs the first time that anybody runs it."""
    is_first = not (TRACES / "hung").exists()
    trace("hung", self.request.delivery_info["redelivered"])
    while is_first:
        time.sleep(60)
    return self.request.delivery_info["redelivered"]


@app.task
def hang():
    trace("hangs", os.getpid())
    time.sleep(3600)
