import pytest

from tests.webserver.clients import Server


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("webserver")


@pytest.fixture(scope="module")
def server(directory):
    """One with the limits of production."""
    with Server(directory) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(directory):
    """One that waits for less long, has room for ten connections, and for less than a whole body on the disk."""
    with Server(
        directory, HEAD_SECONDS="1", BODY_SECONDS="1", STALL_SECONDS="1", CONNECTIONS="10", SPOOL_BYTES="300000"
    ) as server:
        yield server
