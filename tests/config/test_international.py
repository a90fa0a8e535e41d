"""Hosts and senders outside ASCII in the environment: in ASCII where they go out, and refused where they cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError

from config import env
from config.management.commands.prepare import first_address

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://tasks.example.org", "https://tasks.example.org"),
        ("https://tasks.example.org/", "https://tasks.example.org"),
        ("HTTPS://Tasks.example.org:8443", "https://tasks.example.org:8443"),  # as browsers write it
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://faß.de:8443/", "https://xn--fa-hia.de:8443"),
        ("http://[fd00::1]:8000", "http://[fd00::1]:8000"),
        ("http://192.0.2.1:8000", "http://192.0.2.1:8000"),
        ("http://my_host:8000", "http://my_host:8000"),
    ],
)
def test_links_and_origins_have_the_host_in_ascii(url, origin):
    assert env.public_url(url) == origin


@pytest.mark.parametrize(
    "url",
    ["https://i❤.ws", "https://a..b", "https://a b.org", "https://a.org?x", "https://a.org#x", "https://me:pw@a.org"],
)
def test_a_public_url_that_cannot_be_one_is_refused(url, capsys):
    with pytest.raises(SystemExit):
        env.public_url(url)

    assert capsys.readouterr().err.startswith("taskapp: PUBLIC_URL ")


def test_allowed_hosts_are_as_browsers_send_them():
    hosts = env.allowed_hosts(["bücher.example", ".faß.de", "[::2]", "::3", "a.example"], "http://[fd00::1]:8000")

    assert hosts == [
        "xn--bcher-kva.example", ".xn--fa-hia.de", "[::2]", "[::3]", "a.example",
        "localhost", "127.0.0.1", "[::1]", "[fd00::1]",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["i❤.ws", "a b", "http://a.example", "a.example/"])
def test_an_allowed_host_that_is_none_is_refused(name, capsys):
    with pytest.raises(SystemExit):
        env.allowed_hosts([name], "http://localhost")

    assert capsys.readouterr().err.startswith("taskapp: ALLOWED_HOSTS ")


def test_the_mail_server_may_have_such_a_name():
    assert env.mail_server("smtps://mail.faß.de")["host"] == "mail.xn--fa-hia.de"


PRINT = """
import json, django
django.setup()
from django.conf import settings
from accounts.unsubscribe import unsubscribe_url
from reminders.last_check import message_id_domain
print(json.dumps([settings.ALLOWED_HOSTS[-1], settings.CSRF_TRUSTED_ORIGINS, unsubscribe_url(1), message_id_domain()]))
"""


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"], "SECRET_KEY": "x", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0", "DJANGO_SETTINGS_MODULE": "config.settings", **variables,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", PRINT], cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False
    )


def test_a_service_under_such_names_starts_and_uses_them_in_ascii():
    done = start(PUBLIC_URL="https://bücher.example", EMAIL_FROM="Erinnerung <mail@faß.de>")

    assert done.returncode == 0, done.stderr
    host, origins, link, domain = json.loads(done.stdout.splitlines()[-1])
    assert host == "xn--bcher-kva.example"
    assert origins == ["https://xn--bcher-kva.example"]
    assert link.startswith("https://xn--bcher-kva.example/unsubscribe/")
    assert domain == "xn--fa-hia.de"


@pytest.mark.parametrize(
    "sender", ["Büro <büro@bücher.example>", "Doe, Jane <jane@example.org>", "=?utf-8?q?x?= <a@b.org>"]
)
def test_a_message_is_written_at_the_start(sender):
    env.write_test_message(env.sender(sender), "https://tasks.example.org")


def test_if_that_cannot_be_written_the_start_ends(capsys):
    with pytest.raises(SystemExit):
        env.write_test_message(env.sender("a@b.org"), "https://bücher.example")

    assert "EMAIL_FROM and PUBLIC_URL" in capsys.readouterr().err


def test_the_first_administrators_address_is_one(monkeypatch):
    monkeypatch.setenv("ADMIN_EMAIL", "root@bücher.example")
    assert first_address() == "root@bücher.example"
    monkeypatch.setenv("ADMIN_EMAIL", "root@i❤.ws")
    with pytest.raises(CommandError, match="ADMIN_EMAIL cannot be used"):
        first_address()
    monkeypatch.delenv("ADMIN_EMAIL")
    assert first_address() == "admin@localhost"
