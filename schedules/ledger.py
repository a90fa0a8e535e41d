"""The tick ledger: which moments of which schedules have become runs.

The protocol
------------
A schedule's next moment stands in ScheduleState, indexed. A look takes the states that are due, with SKIP LOCKED, so
that any number of beats share the work without a leader. In one transaction it writes a run for each tick and the next
moment; the run is unique for its schedule and moment, so that no tick becomes two whatever happens to the state. Only
then is anything published (publishing.py). A beat that dies before the commit has done nothing; after it, its runs are
there for any other to publish.

Edits come through a queue that triggers fill (changes.py), so an editor's transaction and beat's never wait for each
other. What a schedule says is read at each look, so one that has been disabled does not run even before its edit has
been looked at.

`last_run_at` and `total_run_count` of django-celery-beat are copied from here (`project`), and mended when an old copy
of the row has been saved over them.

The clock is PostgreSQL's. A moment that has been accounted for does not return when the clock is set back.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from celery.utils.log import get_logger
from django.db import DataError, transaction

from schedules.definitions import COLUMNS, DIGEST, PARAMETERS, TABLES, Definition
from schedules.models import RunStatus
from schedules.planning import Outcome, State, Tick, Waiting, look, rest
from schedules.statements import as_rows, execute, fetch, plain

logger = get_logger(__name__)

LOOK_BATCH = 500
EDIT_BATCH = 500

MOST_RUNS = 2**31 - 1
"""Of one schedule, in django-celery-beat's column."""

STATE = State._fields

# Statement time, which unlike clock_timestamp() lets the index be used, and is the same for all rows of a look.
SCHEDULES = f"""
    SELECT {COLUMNS}, {", ".join(f"s.{name}" for name in STATE)}, {DIGEST}, statement_timestamp(),
           s.changed_at, s.resumed_at,
           -- index: run_open
           (SELECT count(*) FROM schedules_schedulerun AS r WHERE r.schedule_id = t.id AND r.look_at IS NOT NULL
               AND r.kind = 'tick' AND r.status IN ('due', 'published')),
           (SELECT count(*) FROM schedules_schedulerun AS r WHERE r.schedule_id = t.id AND r.look_at IS NOT NULL
               AND r.kind = 'tick' AND r.status = 'started')
    FROM {TABLES} JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
"""  # noqa: S608 (names of our own)

# Index: schedule_look.
CLAIM_DUE = """
    SELECT schedule_id FROM schedules_schedulestate
    WHERE look_at <= statement_timestamp() ORDER BY look_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

# The newest first, for they are what somebody is waiting for. Index: schedule_changed.
CLAIM_EDITED = """
    SELECT schedule_id FROM schedules_schedulestate
    WHERE changed_at IS NOT NULL ORDER BY changed_at DESC LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

CLAIM_THESE = """
    SELECT schedule_id FROM schedules_schedulestate
    WHERE schedule_id = ANY(%(these)s) LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

# A schedule that is just being deleted is left alone.
HOLD = "SELECT id FROM django_celery_beat_periodictask WHERE id = ANY(%(ids)s) FOR KEY SHARE SKIP LOCKED"

# Only once the states are locked, so that the edits that were noted there are seen.
READ = f"{SCHEDULES} WHERE t.id = ANY(%(ids)s)"

RECORD = """
    INSERT INTO schedules_schedulerun (schedule_id, scheduled_for, status, reason, ticks, since, job_id, look_at,
                                       publishes)
    SELECT schedule_id, scheduled_for, status, reason, ticks, since, gen_random_uuid(),
           CASE WHEN status = 'due' THEN clock_timestamp() + %(lease)s END, (status = 'due')::integer
    FROM jsonb_to_recordset(%(rows)s) AS row (
        schedule_id integer, scheduled_for timestamptz, status text, reason text, ticks integer, since timestamptz
    )
    ORDER BY scheduled_for
    ON CONFLICT (schedule_id, scheduled_for) DO NOTHING
    RETURNING id, schedule_id, status
"""

SAVE = f"""
    UPDATE schedules_schedulestate AS s
    SET changed_at = NULL, resumed_at = NULL, ({", ".join(STATE)}) = ({", ".join(f"row.{name}" for name in STATE)})
    FROM jsonb_to_recordset(%(rows)s) AS row (
        schedule_id integer, seen text, timing text, phase timestamptz, last_at timestamptz, next_at timestamptz,
        look_at timestamptz, is_resting boolean, has_fired boolean, problem text, ran_at timestamptz, runs integer
    )
    WHERE s.schedule_id = row.schedule_id
"""  # noqa: S608

# A row that an editor has locked is left to `recheck`. Nobody is disabled for having run who was edited since.
PROJECT = f"""
    WITH lagging AS MATERIALIZED (
        SELECT t.id, s.ran_at, s.runs, s.has_fired AND s.seen = {DIGEST} AS is_over
        FROM {TABLES} JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
        WHERE t.id = ANY(%(ids)s)
          AND (t.last_run_at IS DISTINCT FROM s.ran_at OR t.total_run_count <> s.runs OR (t.enabled AND s.has_fired))
        ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    UPDATE django_celery_beat_periodictask AS t
    SET last_run_at = lagging.ran_at, total_run_count = lagging.runs, enabled = t.enabled AND NOT lagging.is_over
    FROM lagging WHERE t.id = lagging.id
"""  # noqa: S608

# For a row that cannot even be written down.
SET_ASIDE = """
    UPDATE schedules_schedulestate
    SET problem = %(problem)s, look_at = NULL, next_at = NULL, changed_at = NULL, resumed_at = NULL, is_resting = TRUE
    WHERE schedule_id = %(id)s
"""

SECONDS_UNTIL_LOOK = "SELECT EXTRACT(epoch FROM min(look_at) - clock_timestamp()) FROM schedules_schedulestate"


def take_due(*, limit: int = LOOK_BATCH, lease: timedelta) -> tuple[int, list[int]]:
    """Look at the schedules that are due; return how many those were, and the runs to be published.

    Nobody else looks at these runs for as long as the lease, so the caller has that time to publish them.
    """
    return _take(CLAIM_DUE, limit, lease)


def take_edited(*, limit: int = EDIT_BATCH, lease: timedelta) -> tuple[int, list[int]]:
    """Look at schedules that were edited, and whose turn has not come otherwise."""
    return _take(CLAIM_EDITED, limit, lease)


def _take(claim: str, limit: int, lease: timedelta) -> tuple[int, list[int]]:
    claimed: list[int] = []
    try:
        runs = _take_at_once(claim, {"limit": limit}, lease, claimed)
    except DataError:  # one of the rows is such that PostgreSQL or Python refuses it
        runs = [run for pk in claimed for run in _take_one(pk, lease)]
    return len(claimed), runs


def _take_one(pk: int, lease: timedelta) -> list[int]:
    claimed: list[int] = []
    try:
        return _take_at_once(CLAIM_THESE, {"these": [pk], "limit": 1}, lease, claimed)
    except DataError as error:
        logger.error("The schedule %s cannot be looked at: %s", pk, error)
        execute(SET_ASIDE, {"id": pk, "problem": plain(str(error))})
        return []


def _take_at_once(claim: str, parameters: dict[str, Any], lease: timedelta, claimed: list[int]) -> list[int]:
    """Look at what is claimed, all in one transaction; `claimed` tells which those were, also after an error."""
    with transaction.atomic():
        claimed += [pk for (pk,) in fetch(claim, parameters)]
        held = [pk for (pk,) in fetch(HOLD, {"ids": claimed})] if claimed else []
        runs = _look_at(fetch(READ, {"ids": held, **PARAMETERS}), lease) if held else []
    if held:
        project(held)
    return runs


def _look_at(rows: list[tuple[Any, ...]], lease: timedelta) -> list[int]:
    outcomes: dict[int, Outcome] = {}
    for row in rows:
        schedule, state, waiting, now, edits = _read(row)
        try:
            outcome = look(schedule, state, waiting, now=now, **edits)
        except Exception as error:  # of a row that nobody has thought of; the others must run
            logger.exception("The schedule %s cannot be looked at", schedule.name)
            outcome = Outcome(rest(state)._replace(problem=f"{type(error).__name__}: {error}"))
        outcomes[schedule.id] = outcome
    made = _record([(pk, tick) for pk, outcome in outcomes.items() for tick in outcome.ticks], lease)
    runs = Counter(schedule_id for schedule_id, _ in made)
    states = []
    for row in rows:
        state = outcomes[row[0]].state
        count = min(state.runs + runs[row[0]], MOST_RUNS)
        said = state._replace(seen=row[DIGEST_AT], runs=count, problem=plain(state.problem))
        states.append({"schedule_id": row[0], **said._asdict()})
    execute(SAVE, {"rows": as_rows(states)})
    return [run for _, run in made]


SIZE = len(fields(Definition))
DIGEST_AT = SIZE + len(STATE)


def _read(row: tuple[Any, ...]) -> tuple[Definition, State, Waiting, datetime, dict[str, datetime | None]]:
    _, now, changed_at, resumed_at, untaken, running = row[DIGEST_AT:]
    edits = {"changed_at": changed_at, "resumed_at": resumed_at}
    return Definition(*row[:SIZE]), State(*row[SIZE:DIGEST_AT]), Waiting(untaken, running), now, edits


def _record(ticks: Iterable[tuple[int, Tick]], lease: timedelta) -> list[tuple[int, int]]:
    """Write the ticks into the ledger; return schedule and run of those that are to be published."""
    rows = [{"schedule_id": schedule_id, **vars(tick)} for schedule_id, tick in ticks]
    if not rows:
        return []
    made = fetch(RECORD, {"rows": as_rows(rows), "lease": lease})
    return [(schedule_id, run) for run, schedule_id, status in made if status == RunStatus.DUE]


def project(ids: list[int]) -> None:
    """Let django-celery-beat's own columns say what the ledger says."""
    execute(PROJECT, {"ids": ids})


def seconds_until_look() -> float:
    """Until the next schedule is due, by PostgreSQL's clock; infinite if none ever is."""
    ((seconds,),) = fetch(SECONDS_UNTIL_LOOK)
    return float("inf") if seconds is None else float(seconds)
