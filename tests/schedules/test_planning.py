"""What a look at a schedule makes of it: ticks, and the next moment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schedules.planning import State, Waiting, look
from tests.schedules.definitions import DAILY, at, crontab, define, interval

MONDAY = at("2026-03-02 00:00")


def known(schedule, *, since=MONDAY) -> State:
    """The state of a schedule that was first seen then, and has been looked at since."""
    return look(schedule, State(), Waiting(), now=since, changed_at=since).state


def ticks(outcome) -> list[tuple[str, str]]:
    return [(f"{tick.scheduled_for:%d %H:%M:%S}", str(tick.status)) for tick in outcome.ticks]


# A schedule that is new, and its next moment


def test_a_new_interval_runs_first_when_it_is_over_once():
    state = known(define(**interval(60)))

    assert (state.next_at, state.look_at, state.is_resting) == (MONDAY + timedelta(minutes=1),) * 2 + (False,)


def test_a_new_interval_with_a_start_runs_first_then_and_in_phase_with_it():
    begin = at("2026-03-02 06:00:07")
    schedule = define(**interval(3600), start_time=begin)
    state = known(schedule)

    outcome = look(schedule, state, Waiting(), now=begin)

    assert state.next_at == begin
    assert ticks(outcome) == [("02 06:00:07", "due")]
    assert outcome.state.next_at == begin + timedelta(hours=1)


def test_a_crontab_with_a_start_leaves_out_what_is_before_it():
    assert known(define(**DAILY, start_time=at("2026-03-04 09:00"))).next_at == at("2026-03-04 09:00")


def test_nothing_is_due_before_its_moment():
    schedule = define(**DAILY)

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 08:59:59"))

    assert (outcome.ticks, outcome.state.next_at) == ([], at("2026-03-02 09:00"))


def test_after_its_moment_the_next_one_is_awaited():
    schedule = define(**DAILY)

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 09:00:00.2"))

    assert ticks(outcome) == [("02 09:00:00", "due")]
    assert outcome.state.next_at == outcome.state.look_at == at("2026-03-03 09:00")
    assert outcome.state.ran_at == at("2026-03-02 09:00:00.2")


def test_a_schedule_does_not_run_after_its_end():
    schedule = define(**DAILY, expires=at("2026-03-03 12:00"))
    state = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 09:00")).state

    last = look(schedule, state, Waiting(), now=at("2026-03-06 00:00"))

    assert ticks(last) == [("03 09:00:00", "due")]
    assert (last.state.next_at, last.state.is_resting) == (None, True)


# What was missed


def test_a_day_that_beat_was_away_for_runs_once_late_and_then_at_its_time():
    schedule = define(**DAILY)

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 14:00"))

    assert ticks(outcome) == [("02 09:00:00", "due")]
    assert outcome.state.next_at == at("2026-03-03 09:00")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("once", [("02 13:00:00", "due", 4)]),
        ("skip", [("02 13:00:00", "missed", 4)]),
        ("all", [(f"02 {hour}:00:00", "due", 1) for hour in (10, 11, 12, 13)]),
    ],
)
def test_several_missed_ticks_become_what_the_policy_says(policy, expected):
    schedule = define(**crontab("0", "10-20"), catch_up=policy)

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 13:10"))

    assert [(*said, tick.ticks) for said, tick in zip(ticks(outcome), outcome.ticks, strict=True)] == expected
    assert outcome.state.next_at == at("2026-03-02 14:00")


def test_a_run_says_for_how_many_ticks_it_stands():
    schedule = define(**crontab("0"))

    (tick,) = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 03:10")).ticks

    assert (tick.ticks, tick.since, tick.reason) == (3, at("2026-03-02 01:00"), "one run for 3 ticks")


def test_a_tick_that_is_a_little_late_is_run_whatever_the_policy():
    schedule = define(**DAILY, catch_up="skip")

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 09:00:59"))

    assert ticks(outcome) == [("02 09:00:00", "due")]


def test_where_missed_ticks_are_left_out_the_last_still_runs_if_it_is_in_time():
    schedule = define(**crontab("0"), catch_up="skip")

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 03:00:10"))

    assert ticks(outcome) == [("02 02:00:00", "missed"), ("02 03:00:00", "due")]
    assert outcome.ticks[0].ticks == 2


def test_what_was_missed_longer_ago_than_the_window_is_left_out():
    schedule = define(**DAILY, catch_up_window=timedelta(hours=2))

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 14:00"))

    assert ticks(outcome) == [("02 09:00:00", "missed")]
    assert outcome.ticks[0].reason == "noticed 5 h late, longer than 2 h"


def test_each_missed_tick_is_run_within_the_window():
    schedule = define(**crontab("0"), catch_up="all", catch_up_window=timedelta(hours=2))

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 05:30"))

    assert ticks(outcome) == [("02 03:00:00", "missed"), ("02 04:00:00", "due"), ("02 05:00:00", "due")]


def test_a_long_outage_is_caught_up_a_few_at_a_time():
    schedule = define(**interval(60), catch_up="all")
    state, made = known(schedule), 0
    now = MONDAY + timedelta(hours=2)

    for _ in range(4):
        outcome = look(schedule, state, Waiting(), now=now)
        state, made = outcome.state, made + len(outcome.ticks)

    assert made == 120
    assert state.next_at == now + timedelta(minutes=1)


def test_it_waits_while_many_of_its_runs_wait():
    schedule = define(**interval(60), overlap="queue")
    now = MONDAY + timedelta(minutes=1)

    outcome = look(schedule, known(schedule), Waiting(untaken=32), now=now)

    assert (outcome.ticks, outcome.state.next_at) == ([], now)
    assert outcome.state.look_at == now + timedelta(seconds=1)


# A tick while the run before is not over


@pytest.mark.parametrize(
    ("overlap", "waiting", "expected"),
    [
        ("coalesce", Waiting(untaken=1), "merged"),
        ("coalesce", Waiting(running=1), "due"),
        ("queue", Waiting(untaken=1), "due"),
        ("skip", Waiting(untaken=1), "skipped"),
        ("skip", Waiting(running=1), "skipped"),
        ("skip", Waiting(), "due"),
    ],
)
def test_a_tick_beside_the_run_before(overlap, waiting, expected):
    schedule = define(**DAILY, overlap=overlap)

    (tick,) = look(schedule, known(schedule), waiting, now=at("2026-03-02 09:00")).ticks

    assert tick.status == expected


# What somebody does not want


def test_a_paused_schedule_leaves_its_ticks_out_and_says_so():
    schedule = define(**DAILY, paused_until=at("2026-03-03 12:00"))
    state = known(schedule)

    first = look(schedule, state, Waiting(), now=at("2026-03-02 09:00"))

    assert ticks(first) == [("02 09:00:00", "skipped")]
    assert first.ticks[0].reason == "paused"
    assert first.state.next_at == at("2026-03-03 09:00")


def test_of_what_was_missed_only_that_in_the_pause_is_left_out():
    schedule = define(**DAILY, paused_until=at("2026-03-03 12:00"))

    paused = look(schedule, known(schedule), Waiting(), now=at("2026-03-05 10:00"))
    after = look(schedule, paused.state, Waiting(), now=at("2026-03-05 10:00"))

    assert ticks(paused) == [("03 09:00:00", "skipped")]
    assert paused.ticks[0].ticks == 2
    assert ticks(after) == [("05 09:00:00", "due")]
    assert after.ticks[0].ticks == 2


def test_one_tick_can_be_left_out():
    schedule = define(**DAILY, skip_at=at("2026-03-02 09:00"))

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 09:00"))
    after = look(schedule, outcome.state, Waiting(), now=at("2026-03-03 09:00"))

    assert (ticks(outcome), outcome.ticks[0].reason) == ([("02 09:00:00", "skipped")], "left out on request")
    assert ticks(after) == [("03 09:00:00", "due")]


def test_what_falls_into_the_time_it_was_disabled_is_not_caught_up():
    schedule = define(**DAILY)
    off = look(replace(schedule, enabled=False), known(schedule), Waiting(), now=MONDAY, changed_at=MONDAY).state

    on = look(schedule, off, Waiting(), now=at("2026-03-05 12:00:01"), changed_at=at("2026-03-05 12:00"))

    assert (off.next_at, off.look_at, off.is_resting) == (None, None, True)
    assert (on.ticks, on.state.next_at) == ([], at("2026-03-06 09:00"))


# Edits


def test_an_edit_of_its_moments_counts_from_the_edit_on():
    state = known(define(**DAILY))
    edited = define(**crontab("0", "10"))

    outcome = look(edited, state, Waiting(), now=at("2026-03-02 14:00"), changed_at=at("2026-03-02 09:30"))

    assert ticks(outcome) == [("02 10:00:00", "due")]  # beat was away at ten, and the edit was made before


def test_an_edit_of_anything_else_loses_no_tick():
    schedule = define(**DAILY)

    outcome = look(
        replace(schedule, priority=3), known(schedule), Waiting(), now=at("2026-03-02 14:00"),
        changed_at=at("2026-03-02 13:00"),
    )  # fmt: skip

    assert ticks(outcome) == [("02 09:00:00", "due")]


def test_a_longer_interval_counts_from_the_last_tick():
    state = look(define(**interval(60)), known(define(**interval(60))), Waiting(), now=at("2026-03-02 00:01")).state

    edited = look(define(**interval(3600)), state, Waiting(), now=at("2026-03-02 00:01:30"),
                  changed_at=at("2026-03-02 00:01:30"))  # fmt: skip

    assert (edited.ticks, edited.state.next_at) == ([], at("2026-03-02 01:01"))


def test_an_interval_keeps_its_phase_over_an_outage():
    schedule = define(**interval(7, "minutes"))

    outcome = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 01:00"))

    assert ticks(outcome) == [("02 00:56:00", "due")]
    assert outcome.state.next_at == at("2026-03-02 01:03")


# One-offs


@pytest.mark.parametrize("moment", [at("2026-03-02 12:00"), at("2026-03-01 23:59")])
def test_a_clocked_schedule_runs_once_also_if_its_moment_was_past_when_it_was_given(moment):
    schedule = define(clocked_time=moment, one_off=True)

    outcome = look(schedule, known(schedule, since=at("2026-03-01 00:00")), Waiting(), now=at("2026-03-02 12:00"))
    again = look(schedule, outcome.state, Waiting(), now=at("2026-03-02 12:01"))

    assert [tick.status for tick in outcome.ticks] == ["due"]
    assert (outcome.state.has_fired, outcome.state.look_at, again.ticks) == (True, None, [])


def test_a_clocked_schedule_of_a_moment_ago_runs_at_the_first_look():
    outcome = look(
        define(clocked_time=at("2026-03-01 23:59"), one_off=True), State(), Waiting(), now=MONDAY, changed_at=MONDAY
    )

    assert ticks(outcome) == [("01 23:59:00", "due")]


def test_a_one_off_that_has_run_is_not_armed_again_by_being_saved():
    schedule = define(**interval(60), one_off=True)
    fired = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 00:01")).state
    resting = look(replace(schedule, enabled=False), fired, Waiting(), now=MONDAY, changed_at=MONDAY).state

    again = look(schedule, resting, Waiting(), now=at("2026-03-02 05:00"), changed_at=at("2026-03-02 04:00"))

    assert (again.ticks, again.state.next_at, again.state.has_fired) == ([], None, True)


def test_a_one_off_with_a_new_time_is_armed_again():
    schedule = define(clocked_time=at("2026-03-02 01:00"), one_off=True)
    fired = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 01:00")).state

    edited = define(clocked_time=at("2026-03-02 08:00"), one_off=True)
    again = look(edited, fired, Waiting(), now=at("2026-03-02 05:00"), changed_at=at("2026-03-02 05:00"))

    assert (again.state.next_at, again.state.has_fired) == (at("2026-03-02 08:00"), False)


# Another scheduler


def test_what_the_stock_scheduler_has_run_is_not_run_again():
    schedule = define(**DAILY, last_run_at=at("2026-03-02 09:00:01"), total_run_count=41)

    outcome = look(schedule, State(), Waiting(), now=at("2026-03-02 15:00"), changed_at=at("2026-03-02 14:59"))

    assert (outcome.ticks, outcome.state.next_at) == ([], at("2026-03-03 09:00"))
    assert (outcome.state.runs, outcome.state.ran_at) == (41, at("2026-03-02 09:00:01"))


def test_what_was_missed_before_the_stock_scheduler_was_replaced_is_caught_up():
    schedule = define(**DAILY, last_run_at=at("2026-03-01 09:00:01"))

    outcome = look(schedule, State(), Waiting(), now=at("2026-03-02 15:00"), changed_at=at("2026-03-02 14:59"))

    assert ticks(outcome) == [("02 09:00:00", "due")]


def test_after_a_while_with_the_stock_scheduler_its_last_run_counts():
    schedule = define(**DAILY)
    state = look(schedule, known(schedule), Waiting(), now=at("2026-03-02 09:00")).state
    stock = replace(schedule, last_run_at=at("2026-03-05 09:00:01"), total_run_count=4)

    outcome = look(stock, state, Waiting(), now=at("2026-03-05 18:00"))

    assert (outcome.ticks, outcome.state.next_at, outcome.state.runs) == ([], at("2026-03-06 09:00"), 4)


def test_a_last_run_that_lies_ahead_stops_nothing():
    schedule = define(**DAILY, last_run_at=at("2036-01-01 00:00"))

    state = look(schedule, known(define(**DAILY)), Waiting(), now=at("2026-03-02 12:00")).state

    assert (state.ran_at, state.next_at) == (at("2026-03-02 12:00"), at("2026-03-03 09:00"))


def test_a_one_off_that_the_stock_scheduler_has_run_does_not_run_again():
    schedule = define(
        clocked_time=at("2026-03-01 12:00"), one_off=True, last_run_at=at("2026-03-01 12:00"), total_run_count=1
    )

    assert look(schedule, State(), Waiting(), now=MONDAY, changed_at=MONDAY).state.has_fired


# What cannot run


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({**crontab("99")}, "minute"),
        ({**crontab(zone="Mars/Phobos")}, "Mars/Phobos"),
        ({**DAILY, "args": "[1"}, "The positional arguments are not JSON"),
        ({**DAILY, "args": "{}"}, "The positional arguments must be a JSON list."),
        ({**DAILY, "kwargs": "[]"}, "The keyword arguments must be a JSON object."),
        ({**DAILY, "headers": "[]"}, "The headers must be a JSON object."),
        ({**DAILY, "task": "nobody.knows"}, "No job is named 'nobody.knows'."),
        ({**DAILY, "args": "[1]"}, "The arguments do not fit the job: prune_runs()"),
        ({**interval(0)}, "An interval of 0 seconds is none."),
        ({**interval(5, "fortnights")}, "An interval of 5 fortnights"),
        ({**interval(2**31 - 1, "days")}, "An interval of 2147483647 days"),
        ({}, "It must have one of interval, crontab and clocked."),
        ({**interval(5), **DAILY}, "It must have only one"),
        ({"is_solar": True}, "Solar schedules are not supported"),
    ],
)
def test_a_schedule_that_cannot_run_says_why_and_rests(fields, problem):
    state = look(define(**fields), State(), Waiting(), now=MONDAY, changed_at=MONDAY).state

    assert problem in state.problem
    assert (state.next_at, state.look_at, state.is_resting) == (None, None, True)


def test_one_that_was_mended_runs_from_then_on():
    broken = look(define(**DAILY, args="nonsense"), State(), Waiting(), now=MONDAY, changed_at=MONDAY).state

    mended = look(define(**DAILY), broken, Waiting(), now=at("2026-03-02 12:00"), changed_at=at("2026-03-02 12:00"))

    assert (mended.state.problem, mended.ticks, mended.state.next_at) == ("", [], at("2026-03-03 09:00"))


def test_a_job_for_workers_that_are_not_ours_need_not_be_known():
    state = look(
        define(**DAILY, task="theirs", queue="theirs"), State(), Waiting(), now=MONDAY, changed_at=MONDAY
    ).state

    assert state.problem == ""
