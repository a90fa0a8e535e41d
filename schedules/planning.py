"""What becomes of a schedule when beat looks at it: which ticks it has had, what each turns into, and when is next.

Pure: a definition, a state and the time go in, a new state and ticks come out. ledger.py reads the one and writes the
other in one transaction, so any number of beats may look.

A tick is missed when it is noticed more than GRACE late, because no beat was running. The policy says what then: one
run for all of them, as a rule. A tick whose predecessor no worker has taken yet makes no message of its own.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from schedules import moments
from schedules.definitions import Broken, Definition
from schedules.models import Policy, RunStatus

CatchUp, Overlap = Policy.CatchUp, Policy.Overlap

GRACE = timedelta(minutes=1)

MOST_UNTAKEN = 32
"""So many runs of one schedule wait for workers at most; the ticks behind them wait where they cost nothing."""

CROWDED = timedelta(seconds=1)


class State(NamedTuple):
    """Where beat stands with a schedule; ScheduleState describes the fields. The ledger counts the runs."""

    seen: str = ""
    timing: str = ""
    phase: datetime | None = None
    last_at: datetime | None = None
    next_at: datetime | None = None
    look_at: datetime | None = None
    is_resting: bool = True
    has_fired: bool = False
    problem: str = ""
    ran_at: datetime | None = None
    runs: int = 0


@dataclass(frozen=True)
class Waiting:
    """What a schedule's earlier ticks are at."""

    untaken: int = 0
    running: int = 0


@dataclass(frozen=True)
class Tick:
    """A row of the ledger in the making. It stands for `ticks` moments, the first of which was `since`."""

    scheduled_for: datetime
    status: RunStatus
    reason: str = ""
    ticks: int = 1
    since: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    state: State
    ticks: list[Tick] = field(default_factory=list)


def look(
    schedule: Definition,
    state: State,
    waiting: Waiting,
    *,
    now: datetime,
    changed_at: datetime | None = None,
    resumed_at: datetime | None = None,
) -> Outcome:
    """Look at a schedule. Since the last look it was edited at `changed_at`, and enabled at `resumed_at`, if at all."""
    state = adopt(schedule, state, now)
    try:
        state = begin(schedule, state, changed_at or now)
        kind = schedule.check(state.phase or now)
    except Broken as broken:
        return Outcome(rest(state)._replace(problem=str(broken)))
    state = state._replace(problem="")
    if not schedule.enabled or state.has_fired:
        return Outcome(rest(state))
    if state.is_resting or resumed_at:  # what fell into its rest was not wanted
        state = state._replace(last_at=rested_until(schedule, state, resumed_at or changed_at), is_resting=False)
    return advance(schedule, state, kind, waiting, now)


def adopt(schedule: Definition, state: State, now: datetime) -> State:
    """Take over what another scheduler has run: the stock one, before ours or while ours was switched off."""
    if not schedule.last_run_at or (state.ran_at and schedule.last_run_at <= state.ran_at):
        return state
    ran_at = min(schedule.last_run_at, now)  # a later one is a clock's, or a person's, who is wrong
    last_at = max(filter(None, [state.last_at, ran_at]))
    return state._replace(ran_at=ran_at, runs=max(state.runs, schedule.total_run_count), last_at=last_at)


def begin(schedule: Definition, state: State, since: datetime) -> State:
    """Reckon anew if the moments have changed: from the edit on, so that what an outage delays is still caught up."""
    if schedule.timing == state.timing:
        return state
    is_new = not state.timing
    last_at = (state.last_at or since) if is_new else since
    return state._replace(
        timing=schedule.timing,
        phase=schedule.start_time or state.last_at or since,
        last_at=before_all(schedule, last_at),
        has_fired=is_new and schedule.runs_once and has_run_elsewhere(schedule, since),
        is_resting=False,
    )


def has_run_elsewhere(schedule: Definition, since: datetime) -> bool:
    """The stock scheduler disables a one-off that it has run, and forgets that it has."""
    is_over = schedule.clocked_time is not None and schedule.clocked_time <= since and not schedule.enabled
    return schedule.total_run_count > 0 or is_over


def before_all(schedule: Definition, since: datetime) -> datetime:
    """A single moment that was already past when it was given still counts, as a person who gave it expects."""
    return min(since, schedule.clocked_time - timedelta.resolution) if schedule.clocked_time else since


def rest(state: State) -> State:
    return state._replace(next_at=None, look_at=None, is_resting=True)


def rested_until(schedule: Definition, state: State, edited_at: datetime | None) -> datetime | None:
    if not edited_at or (state.last_at and state.last_at > edited_at):
        return state.last_at
    return before_all(schedule, edited_at)


def advance(schedule: Definition, state: State, kind: moments.Kind, waiting: Waiting, now: datetime) -> Outcome:
    """Account for the moments up to now, and find the next."""
    begin_at = max(filter(None, [state.last_at, schedule.start_time and schedule.start_time - timedelta.resolution]))
    until = min(now, schedule.expires) if schedule.expires else now
    missed = moments.missed(kind, begin_at, until) if begin_at < until else None
    ticks: list[Tick] = []
    is_crowded = False
    if missed:
        ticks, begin_at, is_crowded = become(schedule, kind, missed, waiting, begin_at, now)
    due = [tick for tick in ticks if tick.status == RunStatus.DUE]
    state = state._replace(
        last_at=begin_at,
        has_fired=schedule.runs_once and bool(ticks),
        ran_at=now if due else state.ran_at,
    )
    if state.has_fired:
        return Outcome(rest(state), ticks)
    next_at = moments.after(kind, begin_at)
    if next_at is None or (schedule.expires and next_at > schedule.expires):
        return Outcome(rest(state), ticks)
    return Outcome(state._replace(next_at=next_at, look_at=now + CROWDED if is_crowded else next_at), ticks)


def become(
    schedule: Definition, kind: moments.Kind, missed: moments.Missed, waiting: Waiting, after: datetime, now: datetime
) -> tuple[list[Tick], datetime, bool]:
    """The ticks, the moment up to which they account, and whether more are left for lack of room."""
    if schedule.skip_at and missed.first < schedule.skip_at <= missed.last:  # it comes by itself, at the next look
        missed = moments.missed(kind, after, schedule.skip_at - timedelta.resolution) or missed
    left_out = unwanted(schedule, kind, missed, after)
    if left_out:
        return left_out, left_out[-1].scheduled_for, False
    if now - missed.last > max(schedule.catch_up_window, GRACE):
        reason = f"noticed {in_words(now - missed.last)} late, longer than {in_words(schedule.catch_up_window)}"
        return [standing_for(missed, RunStatus.MISSED, reason)], missed.last, False
    if schedule.catch_up == CatchUp.SKIP and now - missed.last > GRACE:
        reason = f"noticed {in_words(now - missed.last)} late, and missed ticks are left out"
        return [standing_for(missed, RunStatus.MISSED, reason)], missed.last, False
    if schedule.catch_up == CatchUp.ALL and not schedule.runs_once:
        return each(schedule, kind, missed, waiting, after, now)
    if schedule.overlap == Overlap.QUEUE and waiting.untaken >= MOST_UNTAKEN:
        return [], after, True
    ticks = []
    if schedule.catch_up == CatchUp.SKIP and missed.count > 1:
        earlier = moments.missed(kind, after, missed.last - timedelta.resolution)
        if earlier:
            ticks = [standing_for(earlier, RunStatus.MISSED, "noticed late, and missed ticks are left out")]
            missed = moments.Missed(missed.last, missed.last, 1)
    return [*ticks, overlapping(schedule, standing_for(missed, RunStatus.DUE), waiting)], missed.last, False


def unwanted(schedule: Definition, kind: moments.Kind, missed: moments.Missed, after: datetime) -> list[Tick]:
    """What is left out because somebody wanted so: all up to the end of a pause, or the one tick that was named."""
    if schedule.paused_until and missed.first <= schedule.paused_until:
        paused = moments.missed(kind, after, min(missed.last, schedule.paused_until))
        return [standing_for(paused, RunStatus.SKIPPED, "paused")] if paused else []
    if schedule.skip_at and missed.first == schedule.skip_at:
        return [Tick(missed.first, RunStatus.SKIPPED, "left out on request")]
    return []


def each(
    schedule: Definition, kind: moments.Kind, missed: moments.Missed, waiting: Waiting, after: datetime, now: datetime
) -> tuple[list[Tick], datetime, bool]:
    """One run for each moment within the window, as many as there is room for. None of them stands for another."""
    window = max(schedule.catch_up_window, GRACE)
    ticks: list[Tick] = []
    if missed.first < now - window:
        too_old = moments.missed(kind, after, now - window)
        if too_old:
            ticks = [standing_for(too_old, RunStatus.MISSED, f"longer ago than {in_words(schedule.catch_up_window)}")]
            after = too_old.last
    moment = moments.after(kind, after)
    for _ in range(MOST_UNTAKEN - waiting.untaken):
        if moment is None or moment > missed.last:
            break
        tick = Tick(moment, RunStatus.DUE)
        if schedule.overlap == Overlap.SKIP:
            tick = overlapping(schedule, tick, replace(waiting, untaken=waiting.untaken + len(ticks)))
        ticks.append(tick)
        after, moment = moment, moments.after(kind, moment)
    return ticks, after, moment is not None and moment <= missed.last


def overlapping(schedule: Definition, tick: Tick, waiting: Waiting) -> Tick:
    """What a due tick becomes beside the runs before it."""
    if schedule.overlap == Overlap.SKIP and waiting.untaken + waiting.running:
        return replace(tick, status=RunStatus.SKIPPED, reason="the run before had not ended")
    if schedule.overlap == Overlap.COALESCE and waiting.untaken:
        return replace(tick, status=RunStatus.MERGED, reason="the run before still waits, and stands for this one, too")
    return tick


def standing_for(missed: moments.Missed, status: RunStatus, reason: str = "") -> Tick:
    if missed.count > 1:
        many = f"{missed.count}{' or more' if missed.more else ''} ticks"
        reason = f"{reason}: {many}" if reason else f"one run for {many}"
    return Tick(missed.last, status, reason, missed.count, missed.first if missed.count > 1 else None)


def in_words(span: timedelta) -> str:
    """Roughly, for people: "3 d 2 h", "5 min", "12 s"."""
    seconds = int(span.total_seconds())
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    said = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(said[:2]) or "0 s"
