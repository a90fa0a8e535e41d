"""What can go wrong around a scheduler, done to one of them on a stand of its own.

A scenario is a function of a stand; it returns what is due, what happened, and whether that is right.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Thread

from benchmarks.servers import pause
from benchmarks.stand import OURS, Note, Stand

SLACK = 1.0
"""Seconds by which a run may be late on a busy machine and still be on time."""


@dataclass(frozen=True)
class Finding:
    due: str
    happened: str
    is_right: bool


@dataclass(frozen=True)
class Scenario:
    letter: str
    title: str
    right: str
    play: Callable[[Stand], Finding]
    begins_at: datetime | None = None
    """By a clock of its own."""


def gaps(notes: list[Note]) -> list[float]:
    return [after.at - before.at for before, after in pairwise(notes)]


# --- Beats that are two, or die ---------------------------------------------------------------------------------------


def two_beats(stand: Stand) -> Finding:
    stand.add("five", interval=stand.interval(5))
    stand.begin("beat#1", "beat#2")
    stand.until_noted("five")  # of a moment that has passed while they started
    first = stand.until_noted("five", 2)
    pause(60)
    runs = [note for note in stand.notes("five") if first.at <= note.at < first.at + 57.5]
    return Finding("12 runs", f"{len(runs)} runs", len(runs) == 12)


KILLED_AFTER = [0.0, 0.002, 0.005, 0.02, 0.1, 0.0]
"""Seconds from the arrival of a message at the broker to the kill of its beat."""


def killed_beat(stand: Stand) -> Finding:
    interval, spells = 10.0, len(KILLED_AFTER)
    stand.add("ten", interval=stand.interval(int(interval)))
    stand.begin("beat")
    kill_at_messages(stand)
    first = stand.until_noted("ten")
    pause(first.at + interval * (spells + 0.5) - time.time())
    runs = stand.notes("ten")
    repeated = [gap for gap in gaps(runs) if gap < interval / 2]
    lost = [gap for gap in gaps(runs) if gap > interval * 1.5]
    return Finding(
        f"{spells + 1} runs",
        f"{len(runs)} runs; {len(repeated)} repeated, {len(lost)} lost",
        not repeated and not lost and len(runs) == spells + 1,
    )


def kill_at_messages(stand: Stand) -> None:
    """By the scenario's own thread, with which the kernel ends what it has started."""
    with stand.broker().monitor() as monitor:
        for after in KILLED_AFTER:
            began = time.monotonic()
            # A message that comes at once is the dead beat's own, or a repetition: the next beat is let live so long.
            while not monitor.next_command()["command"].startswith("LPUSH celery ") or time.monotonic() - began < 1:
                pass
            time.sleep(after)
            stand.kill("beat")
            stand.start("beat")


# --- No broker, no beat -----------------------------------------------------------------------------------------------


def broker_away(stand: Stand) -> Finding:
    stand.add("five", interval=stand.interval(5))
    gone_at = time.time() // 60 * 60 + 80  # so that the outage has one whole minute in it, not at its edges
    gone_at += 60 if gone_at - time.time() < 20 else 0
    inside = datetime.fromtimestamp(gone_at + 40, UTC)
    stand.add("daily", crontab=stand.crontab(str(inside.minute), str(inside.hour)))
    stand.add("once", clocked=stand.clocked(inside + timedelta(seconds=10)))
    stand.begin("beat")
    pause(gone_at - time.time())
    before = len(stand.notes("five"))
    stand.kill("valkey")
    pause(60)
    stand.start_server("valkey")
    back_at = time.time()
    pause(30)
    return after_outage(stand, before, gone_at, back_at)


def after_outage(stand: Stand, before: int, gone_at: float, back_at: float) -> Finding:
    runs = stand.notes("five")
    made_up = [note for note in runs[before:] if note.at < back_at + 20][:1]
    others = {name: len(stand.notes(name)) for name in ("once", "daily")}
    said = f"back after {made_up[0].at - back_at:.1f} s" if made_up else "not back after 20 s"
    said += f"; the daily one ran {others['daily']}, the one-off {others['once']} times"
    all_ran = bool(made_up) and others == {"once": 1, "daily": 1}
    if stand.scheduler != OURS:
        lost = stand.log("beat").count("Message Error")
        return Finding("12 ticks, a daily one, a one-off", f"{said}; {lost} sends failed and are not kept", all_ran)
    ledger = in_ledger(stand, gone_at, back_at)
    kept = sum(ledger.values())
    ((published,),) = stand.sql(FIRST_PUBLISHED, (back_at,))
    said += f", its message after {published - back_at:.1f} s" if published else ""
    said += f"; in the ledger: {', '.join(f'{count} {status}' for status, count in ledger.items())}"
    return Finding("12 ticks, a daily one, a one-off", said, all_ran and kept in (11, 12, 13))


FIRST_PUBLISHED = """
    SELECT extract(epoch FROM min(published_at))::float FROM schedules_schedulerun
    WHERE published_at > to_timestamp(%s)
"""


def in_ledger(stand: Stand, since: float, until: float) -> dict[str, int]:
    """How many of the interval's ticks have come to what."""
    rows = stand.sql(
        """
        SELECT r.status, sum(r.ticks)::integer FROM schedules_schedulerun AS r
        JOIN django_celery_beat_periodictask AS t ON t.id = r.schedule_id
        WHERE t.name = 'five' AND r.scheduled_for BETWEEN to_timestamp(%s) AND to_timestamp(%s)
        GROUP BY r.status ORDER BY r.status
        """,
        (since, until),
    )
    return dict(rows)


DAY_ONE = datetime(2026, 6, 15, tzinfo=UTC)


LOOK = 1.3
"""Seconds within which a beat looks at a clock that was set."""


def hours(number: float) -> datetime:
    return DAY_ONE + timedelta(hours=number)


def missed_morning(stand: Stand) -> Finding:
    stand.add("daily", crontab=stand.crontab("0", "9"))
    stand.begin("beat")
    pause(2)
    stand.stop("beat")
    stand.set_clock(hours(14))
    stand.start("beat")
    pause(6)
    for since, until in ((14, 31), (31, 34)):  # to half past three the next day, and over both mornings' hours
        stand.advance(hours(since), hours(until), timedelta(minutes=20 if since == 14 else 10), LOOK)
    assert stand.is_alive("beat"), "beat has ended"
    ran = [note.moment for note in stand.notes("daily")]
    said = [on_day(moment) for moment in ran]
    is_right = len(ran) == 2 and near(ran[0], hours(14)) and near(ran[1], hours(33))
    return Finding("2 runs", " and ".join(said) or "no run", is_right)


def on_day(moment: datetime) -> str:
    return f"{moment:%H:%M} on day {(moment - DAY_ONE).days + 1}"


def near(moment: datetime, due: datetime) -> bool:
    return timedelta() <= moment - due < timedelta(minutes=10)


AUTUMN = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
"""Midnight in Berlin, three hours before its clocks go back."""


def autumn_hour(stand: Stand) -> Finding:
    stand.add("hourly", crontab=stand.crontab("30", "*", "Europe/Berlin"))
    stand.begin("beat")
    pause(2)
    stand.advance(AUTUMN, AUTUMN + timedelta(hours=4, minutes=50), timedelta(minutes=5), LOOK)
    assert stand.is_alive("beat"), "beat has ended"
    ran = [f"{note.moment:%H:%M}" for note in stand.notes("hourly")]
    due = [f"{AUTUMN + timedelta(hours=number, minutes=30):%H}:3" for number in range(5)]
    is_right = len(ran) == 5 and all(one.startswith(each) for one, each in zip(ran, due, strict=True))
    return Finding("5 runs", f"{len(ran)} runs: {', '.join(ran)} UTC", is_right)


# --- Edits ------------------------------------------------------------------------------------------------------------

CAP = 20.0
EFFECT = 1.0 + SLACK / 2
"""Seconds within which an edit must have its effect."""

BULK = """
import json, time
from django_celery_beat.models import IntervalSchedule, PeriodicTask
second = IntervalSchedule.objects.get(every=1, period="seconds")
PeriodicTask.objects.filter(name="update-faster").update(interval=second)
faster = time.time()
PeriodicTask.objects.filter(name="update-off").update(enabled=False)
off = time.time()
PeriodicTask.objects.bulk_create(
    [PeriodicTask(name="created", task="benchmarks.note", args='["created"]', interval=second)]
)
print("TIMES " + json.dumps([faster, off, time.time()]))
"""


def bulk_edits(stand: Stand) -> Finding:
    second, minute = stand.interval(1), stand.interval(60)
    for how in ("update", "sql"):
        stand.add(f"{how}-faster", interval=minute)
        stand.add(f"{how}-off", interval=second)
    stand.begin("beat")
    stand.until_noted("sql-off", 3)
    edited = edit_in_bulk(stand, second)
    pause(CAP + 1)
    effects = {
        name: first_effect(stand, name, at) if "off" not in name else last_run(stand, name, at)
        for name, at in edited.items()
    }
    said = [f"{name}: {f'{seconds:.1f} s' if seconds < CAP else f'> {CAP:g} s'}" for name, seconds in effects.items()]
    return Finding("5 edits", ", ".join(said), all(seconds <= EFFECT for seconds in effects.values()))


def edit_in_bulk(stand: Stand, second: int) -> dict[str, float]:
    """When each was committed."""
    (line,) = (line for line in stand.manage("shell", "-v0", stdin=BULK).splitlines() if line.startswith("TIMES "))
    times = [float(word) for word in line.removeprefix("TIMES ").strip("[]").split(",")]
    edited = dict(zip(("update-faster", "update-off", "created"), times, strict=True))
    set_to = "UPDATE django_celery_beat_periodictask SET {} WHERE name = '{}'"
    stand.sql(set_to.format(f"interval_id = {second}", "sql-faster"))
    edited["sql-faster"] = time.time()
    stand.sql(set_to.format("enabled = false", "sql-off"))
    edited["sql-off"] = time.time()
    return edited


def first_effect(stand: Stand, name: str, edited_at: float) -> float:
    """Beyond the second that the new interval itself takes."""
    runs = [note.at for note in stand.notes(name) if note.at > edited_at]
    return max(0.0, min(runs) - edited_at - 1.0) if runs else CAP


def last_run(stand: Stand, name: str, edited_at: float) -> float:
    runs = [note.at for note in stand.notes(name) if note.at > edited_at]
    return min(max(runs) - edited_at, CAP) if runs else 0.0


BREAK = {
    "minute 99": """
        UPDATE django_celery_beat_crontabschedule SET minute = '99'
        WHERE id = (SELECT crontab_id FROM django_celery_beat_periodictask WHERE name = 'minute 99')
    """,
    "unknown zone": """
        UPDATE django_celery_beat_crontabschedule SET timezone = 'Mars/Olympus'
        WHERE id = (SELECT crontab_id FROM django_celery_beat_periodictask WHERE name = 'unknown zone')
    """,
    "no JSON": "UPDATE django_celery_beat_periodictask SET args = 'nonsense' WHERE name = 'no JSON'",
}


def broken_row(stand: Stand, which: str) -> Finding:
    stand.add("good", interval=stand.interval(1))
    stand.add(which, crontab=stand.crontab("*", "*"))
    stand.sql(BREAK[which])
    stand.begin("beat")
    began = time.monotonic()
    stand.until(lambda: stand.notes("good"), within=10)
    pause(began + 14 - time.monotonic())
    count = len(stand.notes("good"))
    ((enabled, problem),) = stand.sql(
        """
        SELECT t.enabled, coalesce(s.problem, '') FROM django_celery_beat_periodictask AS t
        LEFT JOIN schedules_schedulestate AS s ON s.schedule_id = t.id WHERE t.name = %s
        """,
        (which,),
    )
    said = "the other ran on" if count >= 8 else f"the other ran {count} times in 10 s"
    said += "" if stand.is_alive("beat") else "; beat ended"
    said += f"; it says: {problem}" if problem else f"; no reason to be seen{'' if enabled else ', but disabled'}"
    return Finding("10 runs of another", said, count >= 8 and bool(problem) and enabled)


STALE = """
import time
from django_celery_beat.models import PeriodicTask
form = PeriodicTask.objects.get(name="once")
print("LOADED", flush=True)
end = time.monotonic() + 40
while time.monotonic() < end and PeriodicTask.objects.get(name="once").total_run_count == 0:
    time.sleep(0.1)
time.sleep(6)
form.description = "saved again"
form.save()
"""


def stale_form(stand: Stand) -> Finding:
    stand.add("once", clocked=stand.clocked(datetime.now(UTC) + timedelta(seconds=15)))
    stand.begin()
    form = Thread(target=stand.manage, args=("shell", "-v0"), kwargs={"stdin": STALE}, daemon=True)
    form.start()
    pause(4)
    stand.start("beat")
    form.join(60)
    pause(8)
    runs = stand.notes("once")
    return Finding("1 run", f"{len(runs)} runs" if len(runs) != 1 else "1 run", len(runs) == 1)


SCENARIOS = [
    Scenario("a", "Two beats, interval 5 s, for 60 s", "each tick once", two_beats),
    Scenario("b", "Beat killed 6 times just after it published, interval 10 s", "each tick once", killed_beat),
    Scenario("c", "The broker is away for 60 s, interval 5 s", "one run for all; nothing is lost", broker_away),
    Scenario(
        "d", "No beat from 8 to 14 h; daily at 09:00", "once at 14:00, then at 09:00", missed_morning, hours(7.9)
    ),
    Scenario("e", "Hourly at :30 in Berlin, as its clocks go back", "in both passes of the hour", autumn_hour, AUTUMN),
    Scenario("f", "Bulk edits: `QuerySet.update()`, SQL, `bulk_create()`", "within 1 s", bulk_edits),
    *(
        Scenario(
            "g", f"A broken row: {which}", "the others run; the reason is shown",
            lambda stand, which=which: broken_row(stand, which),
        )
        for which in BREAK
    ),
    Scenario("h", "A one-off that ran is saved again from an old form", "not again", stale_form),
]  # fmt: skip
