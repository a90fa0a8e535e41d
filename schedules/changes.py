"""Edits of schedules: found by triggers, noted at the schedule's state, looked at in their turn.

A trigger appends a ScheduleChange for each schedule that was edited. `note` takes a batch of them and, in one statement
and without reading what the schedules say in full, sets the state to be looked at no later than the earliest moment
that the schedule can have now. So an edit takes effect in time, however many others there are: what is due is looked at
when it is due, with the edit in mind, and everything else in turn, the newest edit first (ledger.py).

`recheck` goes slowly through all schedules as the net beneath the triggers.
"""

from schedules.definitions import DIGEST, TABLES, in_calendar
from schedules.statements import execute, fetch

NOTE_BATCH = 10_000
RECHECK_BATCH = 2_000

SECONDS = """
    i.every * CASE i.period WHEN 'days' THEN 86400 WHEN 'hours' THEN 3600 WHEN 'minutes' THEN 60 WHEN 'seconds' THEN 1
                            WHEN 'microseconds' THEN 0.000001 END
"""

# From where on moments count, and one of the moments of an interval, as planning.begin has them.
SINCE = f"""
    CASE WHEN coalesce(s.timing, '') = '' THEN coalesce(least({in_calendar("t.last_run_at")}, edit.at), edit.at)
         ELSE edit.at END
"""
PHASE = f"coalesce({in_calendar('t.start_time')}, s.last_at, least({in_calendar('t.last_run_at')}, edit.at))"

# No later than the next moment, and rarely much earlier. What is not understood here is looked at now. A schedule that
# is just being deleted is left alone; if it is not deleted after all, `recheck` finds the edit.
NOTE = f"""
    WITH batch AS MATERIALIZED (
        SELECT id, schedule_id, at, is_resumed FROM schedules_schedulechange
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM schedules_schedulechange AS change USING batch WHERE change.id = batch.id
    ), edit AS (
        SELECT schedule_id, min(at) AS at, max(at) FILTER (WHERE is_resumed) AS resumed_at
        FROM batch GROUP BY schedule_id
    ), said AS MATERIALIZED (
        SELECT t.id, edit.at, edit.resumed_at, {SINCE} AS since, {PHASE} AS phase, {SECONDS} AS every,
               {in_calendar("t.start_time")} AS start_time, c.id IS NOT NULL AS is_crontab,
               {in_calendar("k.clocked_time")} AS clocked_time
        FROM edit JOIN ({TABLES}) ON t.id = edit.schedule_id
        LEFT JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
        FOR KEY SHARE OF t SKIP LOCKED
    )
    INSERT INTO schedules_schedulestate AS state (schedule_id, changed_at, resumed_at, look_at)
    SELECT id, at, resumed_at, CASE
        WHEN every BETWEEN 0.000001 AND 1e10 THEN greatest(
            phase + (floor(EXTRACT(epoch FROM since - phase) / every) + 1) * every * interval '1 second', start_time
        ) - interval '1 ms'
        WHEN is_crontab THEN greatest(date_trunc('minute', at) + interval '1 minute', start_time)
        WHEN clocked_time IS NOT NULL THEN clocked_time
        ELSE at END
    FROM said ORDER BY id
    ON CONFLICT (schedule_id) DO UPDATE
    SET changed_at = least(state.changed_at, EXCLUDED.changed_at), look_at = least(state.look_at, EXCLUDED.look_at),
        resumed_at = greatest(state.resumed_at, EXCLUDED.resumed_at)
"""  # noqa: S608 (expressions of our own)

COUNT = "SELECT count(*) FROM (SELECT FROM schedules_schedulechange LIMIT 1) AS any_change"

RECHECK = f"""
    WITH ids AS MATERIALIZED (
        SELECT id FROM django_celery_beat_periodictask WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
    ), stretch AS MATERIALIZED (
        SELECT t.id, s.schedule_id IS NULL OR (s.changed_at IS NULL AND (
                   s.seen <> {DIGEST} OR t.last_run_at IS DISTINCT FROM s.ran_at OR t.total_run_count <> s.runs
                   OR (t.enabled AND s.has_fired))) AS is_stale
        FROM ids JOIN ({TABLES}) ON t.id = ids.id LEFT JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
    ), stale AS (
        INSERT INTO schedules_schedulechange (schedule_id) SELECT id FROM stretch WHERE is_stale
    )
    SELECT max(id), count(*) FROM stretch
"""  # noqa: S608

# A job that was not there may have come with a new version. Index: schedule_broken.
BROKEN = """
    UPDATE schedules_schedulestate
    SET changed_at = coalesce(changed_at, last_at, clock_timestamp()), look_at = clock_timestamp()
    WHERE problem <> ''
"""

CRONTABS = """
    INSERT INTO schedules_schedulechange (schedule_id)
    SELECT id FROM django_celery_beat_periodictask WHERE crontab_id IS NOT NULL ORDER BY id
"""


def note(*, limit: int = NOTE_BATCH) -> bool:
    """Note a batch of edits; return whether more may wait."""
    noted = execute(NOTE, {"limit": limit})
    if noted == limit == NOTE_BATCH:  # else statements are planned as for an empty table until autoanalyze comes
        execute("ANALYZE schedules_schedulestate")
    return noted > 0 and bool(fetch(COUNT)[0][0])


def recheck(after: int, *, limit: int = RECHECK_BATCH) -> int:
    """Have a stretch of schedules looked at whose edits no trigger has seen; return where the next one begins."""
    ((last, count),) = fetch(RECHECK, {"after": after, "limit": limit})
    return int(last) if count == limit else 0


def recheck_broken() -> None:
    """Have the schedules looked at that cannot run."""
    execute(BROKEN)


def look_at_crontabs() -> None:
    """Have every crontab looked at, where its next moment was reckoned by rules of time zones that have changed."""
    execute(CRONTABS)
