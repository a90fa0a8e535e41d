import pytest
from django.test import Client


@pytest.fixture
def admin(staff, client) -> Client:
    """A browser in which an administrator is signed in."""
    client.force_login(staff)
    return client
