"""Connects to PostgreSQL by the first of its addresses that answers, whatever the others do.

libpq tries hosts and addresses one after the other and waits `connect_timeout` for each that is silent (powered off,
cut off), at every new session. Here `connect_timeout` is the time for all of them together, and they race
(work/racing.py). The host and the address that won are remembered by the process and come first from then on. So a
silent host costs a process a quarter of a second once.

A connection that opens too late for whoever asked for it is kept for a few seconds, for whoever asks next. Else a
server that takes longer than everybody's patience would never be reached.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import ceil
from random import shuffle
from select import POLLIN, poll
from threading import Timer
from time import monotonic
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout

from work.racing import HEAD_START_SECONDS, NobodyOpenedError, Race, addresses_of, is_asked

Connection = psycopg.Connection[Any]
Parameters = Mapping[str, Any]
Open = Callable[[Parameters], Connection]

CONNECT_SECONDS = 2.5
"""The default of `connect_timeout`. Health waits for longer than that (config/health.py), and sends nobody away who
could still connect."""

LATE_FACTOR = 2
"""An attempt goes on for so many times the patience of whoever wanted it."""

KEEP_LATE_SECONDS = 5.0

_winners: dict[Any, int] = {}
"""By the hosts of a URL: the number of the one that won last. Of this process alone, since what another process knows
would save HEAD_START_SECONDS once."""

_addresses: dict[Any, dict[str, str]] = {}
"""By a host: the address that won last."""

_late: deque[tuple[object, Connection]] = deque()


def connect(parameters: Parameters, open_one: Open) -> Connection:
    """A session with the first host that lets one in, within `connect_timeout` seconds for all of them.

    `open_one` connects to one host and address. Raises the psycopg.Error of one that has
    answered, or ConnectionTimeout.
    """
    values = frozenset((name, value) for name, value in parameters.items() if isinstance(value, str | int | float))
    whom = os.getpid(), values  # a process that was forked leaves those of its parent alone
    late = take_late(whom)
    if late is not None:
        return late
    seconds = patience(parameters)
    until = monotonic() + seconds
    given = {**parameters, "connect_timeout": ceil(seconds * LATE_FACTOR)}
    places = hosts_of(parameters)
    order = in_order(places, parameters)
    openings = [partial(open_host, {**given, **places[number]}, open_one, until, whom) for number in order]
    race: Race[Connection] = Race(openings, late=partial(keep_late, whom))
    try:
        place, connection = race.run(within=seconds)
    except NobodyOpenedError as nobody:
        errors = {order[place]: error for place, error in nobody.errors.items()}
        raise telling(errors, places, seconds) from None
    _winners[hosts_key(parameters)] = order[place]
    return connection


def patience(parameters: Parameters) -> float:
    return float(parameters.get("connect_timeout", CONNECT_SECONDS))


def hosts_of(parameters: Parameters) -> list[dict[str, str]]:
    """One host each, as libpq counts them. A list of another length than it should have is left to libpq to refuse."""
    lists = {name: str(parameters.get(name) or "").split(",") for name in ("host", "hostaddr", "port")}
    count = max(len(lists["host"]), len(lists["hostaddr"]))
    if len(lists["port"]) == 1:
        lists["port"] *= count
    given = {name: values for name, values in lists.items() if parameters.get(name)}
    if count == 1 or any(len(values) != count for values in given.values()):
        return [{}]
    return [{name: values[number] for name, values in given.items()} for number in range(count)]


def hosts_key(parameters: Parameters) -> tuple[Any, ...]:
    return tuple(parameters.get(name) for name in ("host", "hostaddr", "port"))


def in_order(places: list[dict[str, str]], parameters: Parameters) -> list[int]:
    """The numbers of the hosts: the one that won last, then as they are given."""
    numbers = list(range(len(places)))
    if parameters.get("load_balance_hosts") == "random":
        shuffle(numbers)
        return numbers
    first = _winners.get(hosts_key(parameters), 0)
    return sorted(numbers, key=lambda number: number != first)


def open_host(parameters: Parameters, open_one: Open, until: float, whom: object) -> Connection:
    """A session with one host, by the first of its addresses that answers."""
    addresses = resolved(parameters, until)
    if len(addresses) == 1:
        return open_one({**parameters, **addresses[0]})
    openings = [partial(open_one, {**parameters, **address}) for address in addresses]
    race: Race[Connection] = Race(openings, late=partial(keep_late, whom))
    try:
        number, connection = race.run(within=until - monotonic())
    except NobodyOpenedError as nobody:
        raise telling(nobody.errors, addresses, patience(parameters)) from None
    _addresses[hosts_key(parameters)] = addresses[number]
    return connection


def resolved(parameters: Parameters, until: float) -> list[dict[str, str]]:
    """The host's addresses, the one that won last first, as parameters; one without any if libpq needs none.

    While the resolver is silent, the address that won last; at once if somebody else waits for the resolver.
    """
    host, port = str(parameters.get("host") or ""), str(parameters.get("port") or "5432")
    if not host or parameters.get("hostaddr") or host.startswith(("/", "@")):
        return [{}]
    known = _addresses.get(hosts_key(parameters))
    if known and is_asked(host, int(port)):
        return [known]
    try:
        found = addresses_of(host, int(port), within=HEAD_START_SECONDS if known else until - monotonic())
    except TimeoutError as error:
        if not known:
            raise ConnectionTimeout(str(error)) from error
        return [known]
    except OSError as error:
        raise psycopg.OperationalError(f"the name {host} cannot be resolved: {error}") from error
    addresses = [{"hostaddr": str(place[0])} for *_, place in found]
    if len(addresses) == 1 or known not in addresses:
        _addresses[hosts_key(parameters)] = addresses[0]
    return sorted(addresses, key=lambda address: address != known)


def telling(errors: Mapping[int, Exception], places: list[dict[str, str]], seconds: float) -> Exception:
    """One error for all places: the one that says most, with the words of each."""
    errors = {number: of_psycopg(error) for number, error in errors.items()}
    defects = [error for error in errors.values() if not isinstance(error, psycopg.Error)]
    if defects or len(places) == len(errors) == 1:
        return [*defects, *errors.values()][0]
    answers = [error for error in errors.values() if isinstance(error, psycopg.Error)]
    silence = ConnectionTimeout(f"no answer within {seconds:g} s")
    best = max([silence, *answers], key=how_telling)
    words = [f"{':'.join(place.values())}: {errors.get(number, silence)}" for number, place in enumerate(places)]
    return type(best)("; ".join(words).removeprefix(": "), pgconn=best.pgconn)


def of_psycopg(error: Exception) -> Exception:
    """An error of the machine, such as that it has no thread left, as libpq would tell of it."""
    return psycopg.OperationalError(str(error)) if isinstance(error, OSError) else error


def how_telling(error: psycopg.Error) -> tuple[bool, bool]:
    return error.sqlstate is not None, not isinstance(error, ConnectionTimeout)


def keep_late(whom: object, place: int, connection: Connection) -> None:
    """Hold it ready for KEEP_LATE_SECONDS."""
    entry = whom, connection
    _late.append(entry)
    timer = Timer(KEEP_LATE_SECONDS, end, [entry])
    timer.daemon = True
    timer.start()


def end(entry: tuple[object, Connection]) -> None:
    with suppress(ValueError):  # somebody has taken it
        _late.remove(entry)
        entry[1].close()


def take_late(whom: object) -> Connection | None:
    for entry in list(_late):
        with suppress(ValueError):  # somebody else was faster
            if entry[0] == whom:
                _late.remove(entry)
                if is_quiet(entry[1]):
                    return entry[1]
                entry[1].close()
    return None


def is_quiet(connection: Connection) -> bool:
    """Whether nothing has come from the server since the last statement, not even the end of the connection."""
    socket = poll()
    socket.register(connection.fileno(), POLLIN)
    return not socket.poll(0)
