"""The whole way, with real processes: from a POST to a mail that an SMTP server has accepted."""

import re
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import pytest

from tests.waiting import eventually


def due_in(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


@pytest.fixture(autouse=True)
def _empty_mailbox(mail):
    mail.accepted.clear()


def add_task(service, title: str, **fields) -> int:
    return service.api("POST", "tasks/", {"title": title, **fields})["id"]


def test_a_task_added_through_the_api_is_reminded_by_mail_within_seconds(service, mail):
    task = add_task(service, "Pay the rent", due_at=due_in(hours=3), timezone="Europe/Berlin")

    (delivery,) = eventually(lambda: service.deliveries(task=task, status="sent"), within=15)

    (message,) = mail.accepted
    assert message["To"] == "root@example.org"
    assert "Pay the rent" in message["Subject"]
    assert "(Europe/Berlin)" in message["Subject"]
    assert message["Message-ID"] == delivery["message_id"]
    assert f"{service.url}/tasks/{task}/" in message.get_body(("plain",)).get_content()
    assert [entry["step"] for entry in delivery["history"]] == ["queued", "claimed", "sent"]


def test_a_moved_due_date_brings_exactly_one_more_reminder(service, mail):
    task = add_task(service, "Call the bank", due_at=due_in(hours=3))
    eventually(lambda: service.deliveries(task=task, status="sent"))

    service.api("PATCH", f"tasks/{task}/", {"due_at": due_in(hours=4)})
    eventually(lambda: len(service.deliveries(task=task, status="sent")) == 2)
    service.api("PATCH", f"tasks/{task}/", {"title": "Call the bank again"})
    other = add_task(service, "Something to wait for", due_at=due_in(hours=3))
    eventually(lambda: service.deliveries(task=other, status="sent"))

    assert len([mail for mail in mail.accepted if "Call the bank" in mail["Subject"]]) == 2


def test_a_task_done_before_its_reminder_brings_none_and_the_row_says_why(service, mail):
    task = add_task(service, "Water the plants", due_at=due_in(hours=48))
    eventually(lambda: service.api("GET", f"reminders/?task={task}&status=planned")["results"])

    service.api("POST", f"tasks/{task}/complete/")
    (reminder,) = eventually(lambda: service.api("GET", f"reminders/?task={task}&status=cancelled")["results"])

    assert reminder["reason"] == "the task was done"
    assert mail.accepted == []


def test_a_reminder_goes_out_at_its_second(service, mail):
    moment = datetime.now(UTC) + timedelta(seconds=4)
    task = add_task(service, "To the second", due_at=(moment + timedelta(hours=24)).isoformat())

    (delivery,) = eventually(lambda: service.deliveries(task=task, status="sent"))

    late = datetime.fromisoformat(delivery["sent_at"]) - moment
    assert timedelta(0) <= late < timedelta(seconds=5)


def test_the_unsubscribe_link_of_a_mail_works_without_signing_in(service, mail):
    task = add_task(service, "Unsubscribe me", due_at=due_in(hours=3))
    eventually(lambda: service.deliveries(task=task, status="sent"))
    link = re.fullmatch("<(.*)>", mail.accepted[0]["List-Unsubscribe"])[1]

    urlopen(Request(link, data=b"List-Unsubscribe=One-Click", method="POST"), timeout=10).close()

    assert service.api("GET", "me/")["email_enabled"] is False
    muted = add_task(service, "Not by mail", due_at=due_in(hours=3))
    (delivery,) = eventually(lambda: service.deliveries(task=muted, status="suppressed"))
    assert delivery["reason"] == "unsubscribed"
    service.api("PATCH", "me/", {"email_enabled": True})


def test_health_is_green_and_the_mail_is_counted(service, mail):
    task = add_task(service, "Count me", due_at=due_in(hours=3))
    eventually(lambda: service.deliveries(task=task, status="sent"))

    status, body = service.get("/healthz/reminders")
    metrics = service.get("/metrics")[1]

    assert (status, '"down": []' in body) == (200, True)
    sent = re.search(r'taskapp_steps_total\{kind="delivery",step="sent"\} (\S+)', metrics)
    assert sent is not None
    assert float(sent[1]) >= 1


def test_from_the_shell_the_job_returns_its_counts_called_and_by_message(service):
    code = """
from reminders.tasks import send_due_soon_reminders
print("called", send_due_soon_reminders())
print("by message", send_due_soon_reminders.delay().get(timeout=20))
"""

    printed = service.manage("shell", "-v0", stdin=code)

    assert re.search(r"called \{'changes': \d+, 'planned': \d+, .*'rung': \d+\}", printed)
    assert re.search(r"by message \{'changes': \d+, 'planned': \d+, .*'rung': \d+\}", printed)
