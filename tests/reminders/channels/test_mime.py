"""What a reminder looks like as an e-mail."""

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from django.utils import timezone

from reminders.channels.mime import compose, describe_due
from tests.letters import read_letter


def test_it_has_what_mail_servers_and_readers_look_for(message, settings):
    settings.EMAIL_FROM = "Taskapp <reminders@tasks.example.org>"

    mail = read_letter(compose(message).as_bytes())

    assert mail.raw("From") == "Taskapp <reminders@tasks.example.org>"
    assert mail.raw("Subject") == "Due Sun 29 Mar 2026, 17:30 (Europe/Berlin): Pay the rent"
    assert mail.raw("Message-ID") == "<0b7d24bb-764f-4b7a-be95-2af6beda8ad4@tasks.example.org>"
    assert mail.raw("List-Unsubscribe") == "<https://tasks.example.org/unsubscribe/1:x/>"
    assert mail.raw("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert mail.raw("Auto-Submitted") == "auto-generated"
    assert parsedate_to_datetime(mail.raw("Date")) <= timezone.now()


def test_a_long_unsubscribe_link_stays_a_link_on_the_wire(message):
    link = "https://tasks.example.org/unsubscribe/" + "x" * 200 + "/"

    content = compose(replace(message, unsubscribe_url=link)).as_bytes()

    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in content


def test_text_and_html_say_the_same_and_link_to_the_task(message):
    mail = read_letter(compose(message).as_bytes())

    for kind in ("plain", "html"):
        content = mail.part(kind)
        assert "Pay the rent" in content
        assert "Sun 29 Mar 2026, 17:30 (Europe/Berlin)" in content
        assert "https://tasks.example.org/tasks/7/" in content
        assert "https://tasks.example.org/unsubscribe/1:x/" in content


def test_html_shows_what_people_typed_and_runs_none_of_it(message):
    html = read_letter(compose(replace(message, title="<script>alert(1)</script>")).as_bytes()).part("html")

    assert "<script>" not in html
    assert "&lt;b&gt;&amp; not HTML&lt;/b&gt;" in html


def test_it_is_seven_bit_clean_and_has_short_lines(message):
    content = compose(replace(message, title="Ü" * 300, description="ß" * 5000)).as_bytes()

    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("due_at", "zone", "all_day", "words"),
    [
        (
            datetime(2026, 7, 1, 10, tzinfo=UTC),
            "Europe/Berlin",
            False,
            "Wed 1 Jul 2026, 12:00 (Europe/Berlin)",
        ),  # summer
        (
            datetime(2026, 1, 1, 10, tzinfo=UTC),
            "Europe/Berlin",
            False,
            "Thu 1 Jan 2026, 11:00 (Europe/Berlin)",
        ),  # winter
        (datetime(2026, 1, 1, 23, tzinfo=UTC), "Asia/Tokyo", False, "Fri 2 Jan 2026, 08:00 (Asia/Tokyo)"),  # next day
        (datetime(2026, 3, 29, 22, tzinfo=UTC), "Europe/Berlin", True, "Sun 29 Mar 2026"),  # 24:00 of a short day
        (datetime(2026, 10, 25, 23, tzinfo=UTC), "Europe/Berlin", True, "Sun 25 Oct 2026"),  # 24:00 of a long one
        # Vancouver keeps its summer time for good, from November 2026 on.
        (
            datetime(2026, 11, 28, 1, 43, 57, tzinfo=UTC),
            "America/Vancouver",
            False,
            "Fri 27 Nov 2026, 18:43 (America/Vancouver)",
        ),
        (datetime(2027, 1, 16, 7, tzinfo=UTC), "America/Vancouver", True, "Fri 15 Jan 2027"),
    ],
)
def test_a_due_date_is_said_in_the_zone_it_was_meant_in(due_at, zone, all_day, words):
    assert describe_due(due_at, zone=zone, all_day=all_day) == words
