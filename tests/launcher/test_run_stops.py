"""`make run` ends in order, and however it is killed nothing is left of it."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.launcher.launching import Run, User, answers, eventually, is_gone, kill

Start = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_reverse_order(start_run: Start, number: signal.Signals) -> None:
    run = start_run().ready()

    run.process.send_signal(number)

    assert run.process.wait(60) == 0
    assert [kind for kind, what, *_ in run.notes() if what == "stopped"] == ["beat", "worker", "web"]
    assert run.is_all_gone()


def test_a_second_interrupt_waits_for_nobody(start_run: Start) -> None:
    run = start_run(kinds="web stubborn").ready()

    run.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(1)
    run.process.send_signal(signal.SIGINT)

    assert run.process.wait(4) == 0
    assert run.is_all_gone()


def test_an_interrupt_while_it_starts_stops_it_too(start_run: Start) -> None:
    run = start_run()
    eventually(lambda: "Starting PostgreSQL" in run.said)

    run.process.send_signal(signal.SIGINT)

    assert run.process.wait(60) == 0
    # A keeper on its way up finds no user, and leaves.
    eventually(run.is_all_gone, seconds=5)


def test_a_killed_supervisor_takes_everything_with_it(start_run: Start) -> None:
    run = start_run().ready()

    kill(run.supervisor)

    eventually(run.is_all_gone)
    assert ["web", "stopped"] in run.notes()


def test_a_killed_guard_is_replaced_and_knows_what_to_guard(start_run: Start) -> None:
    run = start_run().ready()
    old = run.guard

    kill(old)
    eventually(lambda: run.guard not in (old, 0))
    kill(run.supervisor)

    eventually(run.is_all_gone)


def test_what_a_killed_supervisor_and_guard_leave_is_ended_by_the_next_start(start_run: Start) -> None:
    run = start_run(kinds="web beat").ready()
    left = run.everything()

    guard, supervisor = run.guard, run.supervisor
    kill(supervisor)
    kill(guard)
    run.process.wait()
    again = start_run(kinds="web beat", port=run.port).ready()

    assert all(is_gone(pid) for pid in left)
    assert "is ready" in again.said


def test_the_next_start_waits_for_what_a_killed_one_is_still_stopping(start_run: Start) -> None:
    run = start_run(kinds="web stubborn").ready()

    kill(run.supervisor)
    run.process.wait()
    again = start_run(port=run.port).ready()

    assert "waiting until the rest of it has stopped" in again.said


def test_a_killed_make_takes_everything_with_it(start_run: Start) -> None:
    run = start_run(by_make=True).ready()
    assert run.supervisor != run.process.pid

    kill(run.process.pid)

    eventually(run.is_all_gone)


def test_an_interrupt_for_make_alone_stops_everything(start_run: Start) -> None:
    """make waits for its child and does not pass it on."""
    run = start_run(by_make=True).ready()

    run.process.send_signal(signal.SIGINT)

    run.process.wait(60)
    assert run.is_all_gone()


def test_a_terminal_that_interrupts_the_whole_group_is_not_an_impatient_one(start_run: Start) -> None:
    run = start_run(by_make=True).ready()

    os.killpg(run.process.pid, signal.SIGINT)

    run.process.wait(60)
    assert [kind for kind, what, *_ in run.notes() if what == "stopped"] == ["beat", "worker", "web"]


def test_servers_that_somebody_else_uses_stay(start_run: Start, start_user: Callable[..., User]) -> None:
    run = start_run().ready()
    user = start_user()
    assert user.answer

    run.process.send_signal(signal.SIGTERM)

    assert run.process.wait(60) == 0
    assert "another program still uses them" in run.said
    assert answers(user.database)
    user.leave()
    eventually(run.is_all_gone)


def test_a_reader_that_goes_away_stops_nothing(start_run: Start) -> None:
    run = start_run(reader="head -n 1")
    run.wait_for_processes()

    assert run.process.poll() is None
    run.process.send_signal(signal.SIGTERM)

    assert run.process.wait(60) == 0
    assert run.is_all_gone()
