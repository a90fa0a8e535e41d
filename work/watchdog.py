"""Ends a worker that has gone deaf, so that its supervisor starts another.

With Redis a worker can stay alive, answer `inspect ping`, and never take a message again: kombu loses count of what it
may fetch, or a read never returns. Nothing inside Celery notices. So a thread of the worker's parent looks every few
seconds, over a connection of its own: do messages wait in a queue of ours, while a slot is free, and nothing was
taken since the last look? When that was so several times in a row, the process ends, with an exit code that is not 0.

What must not end it: a busy worker (no free slot), one of many whose queue is always full (it takes something between
two looks), a broker that is away (it tells nothing, and the count begins anew), a worker that was told to stop. While
Celery waits before it connects again, up to half a minute, more looks are needed.

Nothing here waits for the worker's main thread, which may be what hangs.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from threading import Event, Thread
from time import monotonic, sleep, time
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state
from redis.exceptions import RedisError

from work import stopping
from work.broker import client
from work.step import STEPS

log = structlog.get_logger("work")

LOOK_EVERY_SECONDS = 5.0
DEAF_AFTER_LOOKS = 4
DEAF_AFTER_LOOKS_WHILE_CONNECTING = 12

BROKER_TIMEOUT_SECONDS = 2.0
LOG_SECONDS = 2.0
OVER_ITS_LIMIT_SECONDS = 30.0
JOBS_MAY_END_SECONDS = 15.0
"""A job that still runs has so long to hand back what it has claimed."""


class Watchdog(bootsteps.StartStopStep):
    """A part of the worker (config/celery.py)."""

    requires = ("celery.worker.components:Pool",)  # so that the pool does not fork beside a running thread

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.worker = worker
        self.over = Event()

    def start(self, worker: Any) -> None:
        # As they are now: a worker that was told over the network to take nothing any more is deaf, too.
        queues = list(worker.app.amqp.queues.consume_from)
        Thread(target=self.watch, args=[queues], name="watchdog", daemon=True).start()

    def close(self, worker: Any) -> None:
        self.over.set()

    def watch(self, queues: list[str]) -> None:
        looks, taken = 0, state.all_total_count[0]
        while not self.over.wait(LOOK_EVERY_SECONDS) and not stopping.is_asked():
            taken, taken_before = state.all_total_count[0], taken
            is_idle = taken == taken_before and self.has_free_slot()
            looks = looks + 1 if is_idle and does_wait(self.worker.app.conf.broker_read_url, queues) else 0
            if looks >= self.patience():
                self.end(queues)

    def patience(self) -> int:
        consumer = getattr(self.worker, "consumer", None)
        is_connected = consumer is not None and consumer.connection is not None
        return DEAF_AFTER_LOOKS if is_connected else DEAF_AFTER_LOOKS_WHILE_CONNECTING

    def has_free_slot(self) -> bool:
        """Whether fewer jobs run than may.

        The children's jobs end at their time limit, but it is the main thread that hears of it: one that is older
        than the limit is not running, for the main thread hangs.
        """
        limit = self.worker.app.conf.task_time_limit
        oldest = time() - limit - OVER_ITS_LIMIT_SECONDS if limit and self.worker.pool_cls.uses_semaphore else 0
        running = [job for job in active_jobs() if (job.time_start or time()) > oldest]
        return len(running) < int(self.worker.pool.num_processes)

    def end(self, queues: list[str]) -> None:
        """End the process and its children. The jobs that still run are asked to end early, and have a moment."""
        complain = Thread(target=say_that_it_is_deaf, args=[queues], daemon=True)
        complain.start()
        complain.join(LOG_SECONDS)  # the main thread may hang in a log line, and hold the log's lock
        stopping.ask()
        give_up_at = monotonic() + JOBS_MAY_END_SECONDS
        while active_jobs() and monotonic() < give_up_at:
            sleep(0.1)
        try:
            for pid in set(self.worker.pool.info.get("processes", ())) - {os.getpid()}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        finally:
            os._exit(1)


def active_jobs() -> list[Any]:
    """The jobs that run, as the main thread knows them: it may be changing the set just now."""
    while True:
        with suppress(RuntimeError):
            return list(state.active_requests)


def does_wait(broker: str, queues: Iterable[str]) -> bool:
    """Whether a message waits in one of the queues. A broker that does not answer tells nothing: False."""
    try:
        with client(broker, timeout=BROKER_TIMEOUT_SECONDS) as redis:
            return any(redis.llen(queue) for queue in queues)
    except (RedisError, OSError):
        return False


def say_that_it_is_deaf(queues: list[str]) -> None:
    STEPS.labels("worker", "deaf").inc()
    log.critical("this worker takes no messages though some wait; ending it, to be started again", queues=queues)
