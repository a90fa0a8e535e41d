"""Connections to Redis, and Celery's transport over them.

They differ from those of redis-py and kombu in three ways:

- A host has one timeout, whatever its number of addresses, and the resolver's time counts (racing.py). redis-py waits
  for each address as long, and for the resolver without a limit.
- Redis can answer PING and refuse to work: a read-only replica after a failover, a disk on which it cannot save, no
  memory, too few replicas, an ACL. `check_writes` does without a trace what a worker needs. Celery counts as connected
  when that succeeds; until then it tries again, waiting longer each time, and tells the log each time.
- An error that Redis answers ends the connection. It used to end the worker; and whoever stays connected to the old
  primary after a failover reads READONLY for ever, whoever connects again reaches the new one.
"""

import re
import socket
from collections.abc import Iterable
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from work import racing

CONNECT_SECONDS = 2.0
"""Where `socket_connect_timeout` is not given."""

CONTROL = "celery.pidbox"
"""The exchange over which every worker listens for commands."""


class Connection(redis.Connection):
    """One over the first address that answers."""

    def _connect(self) -> socket.socket:
        within = self.socket_connect_timeout or CONNECT_SECONDS
        connection = racing.connect(self.host, int(self.port), within=within, prepare=self._prepare)
        connection.settimeout(self.socket_timeout)
        return connection

    def _prepare(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.socket_keepalive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in self.socket_keepalive_options.items():
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


class TlsConnection(redis.SSLConnection, Connection):
    """The same, with TLS over it."""


def client(url: str, *, timeout: float) -> redis.Redis:
    """A client that tries once, and waits so many seconds for the connection and for each answer."""
    pool = redis.ConnectionPool.from_url(
        url, connection_class=TlsConnection if url.startswith("rediss:") else Connection,
        socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    return redis.Redis.from_pool(pool)


def check_writes(client: redis.Redis, queues: Iterable[str]) -> None:
    """Publish to each queue and listen for commands, without a trace. Raises the RedisError with which Redis refuses.

    What is pushed is popped within the same transaction, at the end from which no worker takes, so nobody sees it.
    """
    with client.pipeline(transaction=True) as transaction:
        for queue in queues:
            transaction.lpush(queue, b"")
            transaction.lpop(queue)
        transaction.execute()
    number = client.connection_pool.connection_kwargs.get("db") or 0
    with client.pubsub() as commands:  # type: ignore[no-untyped-call]
        commands.subscribe(f"/{number}.{CONTROL}")
        if commands.get_message(timeout=CONNECT_SECONDS) is None:
            raise redis.exceptions.TimeoutError("no answer to SUBSCRIBE")


def refusal(error: RedisError) -> str:
    """The kind of a refusal, such as READONLY: Redis' words may hold names and are for the log."""
    code = re.search(r"(?:^|caused error: )([A-Z]{3,})\b", str(error))
    return code[1] if code else type(error).__name__


class Channel(kombu_redis.Channel):
    connection_class = Connection
    connection_class_ssl = TlsConnection


class Transport(kombu_redis.Transport):
    Channel = Channel
    connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)

    def establish_connection(self) -> Any:
        """Connect, and see that a worker could work, unless there are no `checked_queues` among the options."""
        connection: Any = super().establish_connection()
        owner: Any = self.client
        queues = owner.transport_options.get("checked_queues")
        try:
            if queues:
                check_writes(connection._avail_channels[-1].client, queues)
        except BaseException:
            self.close_connection(connection)
            raise
        return connection
