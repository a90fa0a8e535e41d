"""The message that the channels carry."""

from datetime import UTC, datetime

import pytest

from reminders.channels.base import DueSoon


@pytest.fixture
def message() -> DueSoon:
    return DueSoon(
        to="alice@example.org",
        message_id="<0b7d24bb-764f-4b7a-be95-2af6beda8ad4@tasks.example.org>",
        language="",
        title="Pay the rent",
        description="To the landlord.\n.A line that begins with a dot.\n<b>& not HTML</b>",
        due_at=datetime(2026, 3, 29, 15, 30, tzinfo=UTC),
        all_day=False,
        zone="Europe/Berlin",
        task_url="https://tasks.example.org/tasks/7/",
        unsubscribe_url="https://tasks.example.org/unsubscribe/1:x/",
    )
