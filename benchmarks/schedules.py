"""`python -m benchmarks.schedules [busy] [many] [--write]`: how many schedules beat can keep, and what that costs.

busy: 10,000 schedules, of which 83 a second are due, for a minute; ours, and then the stock scheduler.
many: 100,000 schedules: start, 10,000 that are due at one moment, an edit of one and of all of them.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.crowd import Beat, Taker, add_many
from benchmarks.figures import Rows, quantile
from benchmarks.report import tell
from benchmarks.servers import pause
from benchmarks.stand import OURS, STOCK, Stand, make_template

BUSY, EVERY, SECONDS = 10_000, 60, 60
MANY, CROWD = 100_000, 10_000


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="taskapp-schedules-", ignore_cleanup_errors=True) as directory:
        template = make_template(Path(directory, "template"))
        for name in options.parts or PARTS:
            play = partial(PARTS[name], Path(directory), template)
            tell(f"schedules {name}", f"python -m benchmarks.schedules {name}", play, write=options.write)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="both without any")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


@contextmanager
def stand_of(directory: Path, scheduler: str, template: Path):
    directory.mkdir(mode=0o700)
    with Stand(directory, scheduler, template=template) as stand:
        taker = Taker(stand)
        taker.start()
        try:
            yield stand, taker
        finally:
            taker.stop()


# --- 10,000 schedules, 83 runs a second -------------------------------------------------------------------------------


def busy(directory: Path, template: Path) -> Rows:
    columns = []
    for scheduler in (OURS, STOCK):
        with stand_of(directory / f"busy-{scheduler}", scheduler, template) as (stand, taker):
            columns.append(busy_one(stand, taker))
    ours, stock = columns
    return [("For a minute", "Ours", "Stock"), *((name, ours[name], stock.get(name, "")) for name in ours)]


def busy_one(stand: Stand, taker: Taker) -> dict[str, str]:
    begin = datetime.now(UTC) + timedelta(seconds=12)
    add_many(stand, BUSY, every=EVERY, begin=begin)
    stand.add("canary", interval=stand.interval(1))
    stand.start("beat")
    pause(begin.timestamp() - time.time())
    beat, megabytes = Beat(stand), Beat(stand).megabytes
    pause(SECONDS)
    until = begin + timedelta(seconds=SECONDS)
    cpu, megabytes_after = beat.cpu_share, beat.megabytes
    pause(2)
    arrived = [one for one in taker.arrivals if begin.timestamp() <= one[0] and one[1] != "canary"]
    canary = [at for at in taker.of("canary") if begin.timestamp() <= at < until.timestamp()]
    in_time = [one for one in arrived if one[0] < until.timestamp()]
    found = {
        "due": f"{due_in(stand, begin, until)}",
        "published in that minute": f"{len(in_time)} ({len(in_time) / SECONDS:.0f} a second)",
        **(lateness(stand, taker, begin, until) if stand.scheduler == OURS else {}),
        "a 1 s schedule beside them: runs, longest gap": f"{len(canary)}, {longest_gap(canary)}",
        "CPU of beat": f"{cpu:.0%}",
        "memory of beat, before and after": f"{megabytes:.0f}, {megabytes_after:.0f} MB",
    }
    print(stand.scheduler, found, flush=True)
    return found


def longest_gap(moments: list[float]) -> str:
    return f"{max((after - before for before, after in pairwise(moments)), default=float('nan')):.1f} s"


def due_in(stand: Stand, begin: datetime, until: datetime) -> int:
    """By construction: each interval once, and the daily ones whose minute begins in it."""
    minutes = {(begin + timedelta(seconds=second)).replace(second=0, microsecond=0) for second in range(SECONDS)}
    minutes = [minute for minute in minutes if begin <= minute < until]
    names = [f"{minute.minute}/{minute.hour}" for minute in minutes]
    ((daily,),) = stand.sql(
        """
        SELECT count(*) FROM django_celery_beat_periodictask AS t
        JOIN django_celery_beat_crontabschedule AS c ON c.id = t.crontab_id
        WHERE c.minute || '/' || c.hour = ANY(%s)
        """,
        (names,),
    )
    return BUSY // 2 * SECONDS // EVERY + daily


def lateness(stand: Stand, taker: Taker, begin: datetime, until: datetime) -> dict[str, str]:
    runs = stand.sql(
        "SELECT job_id::text, extract(epoch FROM scheduled_for)::float, extract(epoch FROM published_at)::float "
        "FROM schedules_schedulerun WHERE scheduled_for >= %s AND scheduled_for < %s",
        (begin, until),
    )
    arrived = {job: at for at, _, job in reversed(taker.arrivals)}
    by_arrival = [arrived[job] - due for job, due, _ in runs if job in arrived]
    by_ledger = [published - due for _, due, published in runs if published]
    return {
        "lateness at the broker: p50, p99, most": spread(by_arrival),
        "`published_at - scheduled_for`: p50, p99, most": spread(by_ledger),
        "messages for a run that had one": str(len(taker.arrivals) - len(arrived)),
    }


def spread(numbers: list[float]) -> str:
    return ", ".join(f"{quantile(numbers, share) * 1000:.0f}" for share in (0.5, 0.99, 1)) + " ms"


# --- 100,000 schedules ------------------------------------------------------------------------------------------------


def many(directory: Path, template: Path) -> Rows:
    stock = dict(stock_rows(directory, template))
    rows = ours_rows(directory, template)
    return [
        ("100,000 schedules", "Ours", "Stock", "Aim"),
        *((name, ours, stock.get(name, ""), aim) for name, ours, aim in rows),
    ]


def ours_rows(directory: Path, template: Path) -> Rows:
    with stand_of(directory / "many", OURS, template) as (stand, taker):
        stand.add("canary", interval=stand.interval(1))
        stand.add("behind", interval=stand.interval(3600))
        rows: Rows = []
        steps: list[Callable[[Stand, Taker], Rows]] = [
            take_in, start_again, at_rest, crowd, edit_one, edit_all, disable_all,
        ]  # fmt: skip
        for step in steps:
            found = step(stand, taker)
            print(*found, sep="\n", flush=True)
            rows += found
            pause(2)
        beat = Beat(stand)
        return [*rows, ("memory of beat at the end", f"{beat.megabytes:.0f} MB", "")]


START, MEMORY = "a later start: the first run", "memory of beat after it"
CANARY, CPU, EDIT = "a 1 s schedule: runs in 20 s, longest gap", "CPU of beat meanwhile", "an edit of one: in effect"


def stock_rows(directory: Path, template: Path) -> list[tuple[str, str]]:
    """What can be asked of the stock scheduler with so many."""
    with stand_of(directory / "many-stock", STOCK, template) as (stand, taker):
        stand.add("canary", interval=stand.interval(1))
        add_many(stand, MANY, every=7200, begin=datetime.now(UTC))
        began = time.time()
        stand.start("beat")
        first = stand.until(lambda: taker.of("canary"), within=120)[0]
        rows = [(START, f"after {first - began:.1f} s"), (MEMORY, f"{Beat(stand).megabytes:.0f} MB")]
        rows += [(name, found) for name, found, _ in at_rest(stand, taker)]
        edited_at = make_hasty(stand, "many-1")
        stand.sql("UPDATE django_celery_beat_periodictasks SET last_update = clock_timestamp()")  # as save() does
        rows.append((EDIT, first_effect(stand, taker, "many-1", edited_at)))
        rows.append(("memory of beat at the end", f"{Beat(stand).megabytes:.0f} MB"))
        print(*rows, sep="\n", flush=True)
        return rows


def at_rest(stand: Stand, taker: Taker) -> Rows:
    """Little is due."""
    beat, began = Beat(stand), time.time()
    pause(20)
    runs = [at for at in taker.of("canary") if at >= began]
    return [
        (CANARY, f"{len(runs)}, {longest_gap([began, *runs, time.time()])}", ""),
        (CPU, f"{beat.cpu_share:.0%}", ""),
    ]


def until_none_is_left(stand: Stand, table: str) -> None:
    assert stand.until(lambda: stand.sql(f"SELECT count(*) FROM {table}")[0][0] == 0, within=300), f"{table} stays"


def until_noted(stand: Stand) -> None:
    """Each schedule is looked at in time for its next moment from then on."""
    until_none_is_left(stand, "schedules_schedulechange")


def until_taken_in(stand: Stand) -> None:
    until_noted(stand)
    until_none_is_left(stand, "schedules_schedulestate WHERE changed_at IS NOT NULL")


def take_in(stand: Stand, taker: Taker) -> Rows:
    """All of them are new to beat."""
    add_many(stand, MANY, every=7200, begin=datetime.now(UTC))
    began = time.time()
    stand.start("beat")
    first = stand.until(lambda: taker.of("canary"), within=120)[0]
    until_taken_in(stand)
    return [
        ("first start, all of them new: the first run of a 1 s schedule", f"after {first - began:.1f} s", ""),
        ("first start: all of them known", f"after {time.time() - began:.1f} s", ""),
    ]


def start_again(stand: Stand, taker: Taker) -> Rows:
    stand.stop("beat")
    pause(2)
    began = time.time()
    stand.start("beat")
    first = stand.until(lambda: [at for at in taker.of("canary") if at > began], within=60)[0]
    megabytes = Beat(stand).megabytes
    return [
        (START, f"after {first - began:.1f} s", "3 s"),
        (MEMORY, f"{megabytes:.0f} MB", ""),
    ]


def crowd(stand: Stand, taker: Taker) -> Rows:
    """Many are due at one moment."""
    moment = datetime.now(UTC) + timedelta(seconds=15)
    clocked = stand.clocked(moment)
    stand.sql(
        "UPDATE django_celery_beat_periodictask SET clocked_id = %s, interval_id = NULL, one_off = true "
        "WHERE id IN (SELECT id FROM django_celery_beat_periodictask WHERE interval_id = "
        "(SELECT id FROM django_celery_beat_intervalschedule WHERE every = 7200) LIMIT %s)",
        (clocked, CROWD),
    )
    until_taken_in(stand)
    pause(moment.timestamp() - time.time())
    beat = Beat(stand)
    names = {name for (name,) in stand.sql(
        "SELECT name FROM django_celery_beat_periodictask WHERE clocked_id = %s", (clocked,)
    )}  # fmt: skip

    def arrivals() -> list[float]:
        return [at for at, name, _ in list(taker.arrivals) if name in names and at >= moment.timestamp()]

    assert stand.until(lambda: len(arrivals()) >= CROWD, within=120), f"{len(arrivals())} of {CROWD} arrived"
    took = max(arrivals()) - moment.timestamp()
    cpu = beat.cpu_seconds
    pause(15)
    return [
        (
            f"{CROWD:,} due at one moment: published",
            f"in {took:.1f} s ({CROWD / took:.0f} a second), {cpu:.1f} s of CPU",
            "500 a second",
        ),
        ("messages about them", f"{len(arrivals()):,}", f"{CROWD:,}"),
    ]


def edit_one(stand: Stand, taker: Taker) -> Rows:
    edited_at = make_hasty(stand, "many-1")
    return [(EDIT, first_effect(stand, taker, "many-1", edited_at), "1 s")]


def make_hasty(stand: Stand, name: str) -> float:
    """Let a schedule run every second; return when that was committed."""
    stand.sql(
        "UPDATE django_celery_beat_periodictask SET interval_id = %s, crontab_id = NULL, clocked_id = NULL "
        "WHERE name = %s",
        (stand.interval(1), name),
    )
    return time.time()


def first_effect(stand: Stand, taker: Taker, name: str, edited_at: float) -> str:
    first = stand.until(lambda: taker.of(name), within=90)
    return f"after {max(0.0, first[0] - edited_at - 1):.1f} s" if first else "not within 90 s"


def edit_all(stand: Stand, taker: Taker) -> Rows:
    """Into intervals, all of them: the daily ones, and those that were to run once, too."""
    change = "interval_id = {}, crontab_id = NULL, clocked_id = NULL, one_off = false, enabled = true"
    what = "all get another interval"
    edited_at = edit(stand, change.format(stand.interval(10_800)), but="canary behind")
    behind_at = make_hasty(stand, "behind")
    rows = taken_in(stand, taker, what, edited_at, watched="many-1")
    return [
        *rows,
        (
            f"{what}: an edit of one just behind that is in effect",
            first_effect(stand, taker, "behind", behind_at),
            "1 s",
        ),
    ]


def disable_all(stand: Stand, taker: Taker) -> Rows:
    return taken_in(stand, taker, "all are disabled", edit(stand, "enabled = false", but="canary"), watched="behind")


def edit(stand: Stand, change: str, *, but: str) -> float:
    """All but those, in one statement; the canary shows what it costs the others."""
    began = time.time()
    stand.sql(f"UPDATE django_celery_beat_periodictask SET {change} WHERE name <> ALL(%s)", (but.split(),))
    print(f"the UPDATE itself took {time.time() - began:.1f} s", flush=True)
    return time.time()


def taken_in(stand: Stand, taker: Taker, what: str, edited_at: float, *, watched: str) -> Rows:
    """`watched` ran every second before, and is not to now."""
    until_noted(stand)
    noted = time.time() - edited_at
    until_taken_in(stand)
    looked_at = time.time() - edited_at
    pause(1.5)
    late = [at - edited_at for at in taker.of(watched) if at > edited_at]
    canary = [at for at in taker.of("canary") if at > edited_at - 1.5]
    return [
        (f"{what}, by one UPDATE: the last run by what it said before", f"after {max(late, default=0):.1f} s", "5 s"),
        (f"{what}: in effect for each", f"after {noted:.1f} s", "5 s"),
        (f"{what}: beat has looked at each, in passing", f"after {looked_at:.1f} s", ""),
        (f"{what}: the longest gap of a 1 s schedule meanwhile", longest_gap(canary), ""),
        (f"{what}: memory of beat", f"{Beat(stand).megabytes:.0f} MB", ""),
    ]


PARTS: dict[str, Callable[[Path, Path], Rows]] = {"busy": busy, "many": many}


if __name__ == "__main__":
    sys.exit(main())
