"""Beat's loop in this process, on an empty table of schedules."""

from collections.abc import Iterator

import pytest
from django_celery_beat.models import PeriodicTask

from tests.schedules.beats import Beat


@pytest.fixture
def beat(committed_db, broker) -> Iterator[Beat]:
    PeriodicTask.objects.all().delete()
    with Beat() as beat:
        yield beat
