"""Django's own mails, by SMTP and into the outbox: written like all others."""

import smtplib

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection

from mail.addresses import AddressError
from tests.factories import make_user
from tests.letters import Letter, read_letter, unquoted
from tests.smtputf8 import Server

HEADERS = {"Subject", "From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
BCC = "=?utf-8?b?DQpCY2M6IHhAZXZpbC50ZXN0?="
"""A line break and "Bcc: x@evil.test"."""


class BySmtp:
    backend = "mail.backend.EmailBackend"

    def __init__(self, request, settings) -> None:
        self.server = Server(smtputf8=True)
        self.server.start()
        request.addfinalizer(self.server.stop)
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", self.server.number

    def received(self) -> list[bytes]:
        return [sent.content for sent in self.server.sent]


class ByOutbox:
    backend = "reminders.channels.outbox.OutboxEmailBackend"

    def __init__(self, request, settings) -> None:
        self.directory = settings.OUTBOX_DIR

    def received(self) -> list[bytes]:
        return [file.read_bytes() for file in self.directory.glob("account-*.eml")]


@pytest.fixture(params=[BySmtp, ByOutbox])
def way(request, settings):
    settings.EMAIL_BACKEND = request.param.backend
    return request.param(request, settings)


def received(way) -> Letter:
    (content,) = way.received()
    return read_letter(content)


@pytest.mark.parametrize("subject", [BCC, "Ü " + BCC, "plain", "x" * 300, "Übergrößen " * 20, "می‌خواهم 👨‍👩‍👧"])
def test_a_subject_is_read_as_it_was_given(way, subject):
    EmailMessage(subject, "text", f"{BCC} <a@bücher.example>", ["b@faß.de"]).send()

    mail = received(way)
    assert set(mail.names) == HEADERS
    assert mail.text("Subject") == subject
    assert mail.text("From") == f"{BCC} <a@xn--bcher-kva.example>"
    assert mail.raw("To") == "b@xn--fa-hia.de"
    assert mail.raw("Message-ID").endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize("address", [f"{BCC}@example.org", "a@b.org\nBcc: x@evil.test", "nobody", "a@i❤.ws"])
def test_an_address_that_is_none_is_refused(way, address):
    with pytest.raises(AddressError):
        EmailMessage("subject", "text", "a@b.org", [address]).send()

    assert way.received() == []


def test_an_address_beyond_ascii_goes_out_as_it_is(way):
    """Django makes an encoded word of it, which is another address."""
    EmailMessage("subject", "text", "a@b.org", ["älice@example.org"]).send()

    assert received(way).raw("To") == "älice@example.org"


def test_all_recipients_get_it_and_bcc_is_not_shown(request, settings):
    way = BySmtp(request, settings)

    EmailMessage(
        "subject", "text", "a@b.org", ["b@b.org"], ["c@b.org"], cc=["D <d@b.org>"], reply_to=["e@b.org"],
        connection=get_connection(way.backend),
    ).send()  # fmt: skip

    (sent,) = way.server.sent
    mail = read_letter(sent.content)
    assert sent.to == ["b@b.org", "d@b.org", "c@b.org"]
    assert [mail.raw(name) for name in ("To", "Cc", "Reply-To")] == ["b@b.org", "D <d@b.org>", "e@b.org"]
    assert "Bcc" not in mail.names


def test_a_server_without_smtputf8_is_not_sent_one(request, settings):
    server = Server(smtputf8=False)
    server.start()
    request.addfinalizer(server.stop)
    connection = get_connection(BySmtp.backend, host="127.0.0.1", port=server.number)

    with pytest.raises(smtplib.SMTPNotSupportedError):
        EmailMessage("subject", "text", "a@b.org", ["älice@example.org"], connection=connection).send()

    assert server.sent == []


def test_a_page_comes_along_and_an_attachment_is_refused(way):
    both = EmailMultiAlternatives("subject", "text ß", "a@b.org", ["b@b.org"])
    both.attach_alternative("<b>page ß</b>", "text/html")
    both.send()
    both.attach("name", "content", "text/plain")

    with pytest.raises(ValueError, match="no attachments"):
        both.send()

    mail = received(way)
    assert (mail.part("plain"), mail.part("html")) == ("text ß\r\n", "<b>page ß</b>\r\n")


@pytest.mark.parametrize("name", [BCC, "a\r\nBcc: x@evil.test", "a\r\n\r\nb", "Übermut"])
def test_a_name_in_a_reset_writes_no_header(db, way, client, settings, name):
    """As raw SQL could bring it in."""
    user = make_user("alice")
    User.objects.filter(pk=user.pk).update(username=name, email="alice@faß.de")

    client.post("/accounts/password_reset/", {"email": "alice@faß.de"})

    mail = received(way)
    assert set(mail.names) == HEADERS
    assert mail.raw("To") == "alice@xn--fa-hia.de"
    assert mail.text("Subject") == "Choose a new password for Taskapp"
    assert f"for {name} at {settings.PUBLIC_URL}" in unquoted(mail.body).decode()
