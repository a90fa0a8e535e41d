"""Connecting to the mail server within a time, whatever stays silent. tests/work/test_racing.py has the parts."""

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from reminders.channels.base import TransportError
from reminders.channels.smtp import SmtpSession
from tests.mail_server import MailServer
from tests.silence import silent


@pytest.fixture
def silent_resolver(monkeypatch) -> Iterator[None]:
    """It says nothing until the test is over."""
    over = threading.Event()
    real = socket.getaddrinfo

    def never(host: str, *args: object, **kwargs: object) -> object:
        if host != "mail.example" or kwargs.get("flags") == socket.AI_NUMERICHOST:
            return real(host, *args, **kwargs)
        if kwargs.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    yield
    over.set()


def session_with(host: str, port: int = 25) -> SmtpSession:
    return SmtpSession(host=host, port=port, security="", user="", password="")


def test_a_resolver_that_says_nothing_costs_the_time_and_no_more(silent_resolver, settings):
    settings.EMAIL_CONNECT_SECONDS = 1
    began = monotonic()

    with pytest.raises(TransportError, match="connecting: "):
        session_with("mail.example").__enter__()

    assert monotonic() - began < 10


def test_addresses_that_swallow_packets_cost_the_time_and_no_more(monkeypatch, settings):
    """Four of them cost 24 s once, for each had the whole time."""
    settings.EMAIL_CONNECT_SECONDS = 1
    began = monotonic()
    with silent() as port:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 4
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

        with pytest.raises(TransportError, match="connecting: "):
            session_with("mail.example", port).__enter__()

    assert monotonic() - began < 10


def test_nobody_is_asked_for_our_own_name(monkeypatch):
    """It was looked up for each connection: with a silent resolver 20 s outside every deadline."""
    asked: list[str] = []
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: asked.append(host) or real(host, *a, **k))
    monkeypatch.setattr(socket, "getfqdn", lambda *args: asked.append("our own name"))

    with MailServer() as server, SmtpSession(**server.settings):
        pass

    assert "our own name" not in asked
