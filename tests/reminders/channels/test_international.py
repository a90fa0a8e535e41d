"""Domains and names of mailboxes outside ASCII: what goes over the wire, and what the history says of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import parseaddr

import pytest

from reminders.channels import CHANNELS, EMAIL
from reminders.channels.base import DeliveryError, TransportError
from reminders.delivering import deliver_batch
from tests.factories import make_delivery, make_task
from tests.letters import read_letter
from tests.reminders.handing import Held
from tests.smtputf8 import Server


@pytest.fixture
def serve(settings) -> Iterator[Callable[..., Server]]:
    """serve(smtputf8=True) starts a server, to which mail goes."""
    servers: list[Server] = []

    def start(*, smtputf8: bool = False) -> Server:
        server = Server(smtputf8=smtputf8)
        server.start()
        servers.append(server)
        settings.MAIL_SERVER = {"host": "127.0.0.1", "port": server.number, "security": "", "user": "", "password": ""}
        return server

    yield start
    for server in servers:
        server.stop()


def send(*messages) -> None:
    with CHANNELS[EMAIL]().session() as session:
        for message in messages:
            session.send(message, lease=Held())


@pytest.mark.django_db
def test_domains_go_out_in_ascii_everywhere_and_the_history_says_so(alice, serve, settings):
    server = serve()
    settings.EMAIL_FROM = "Erinnerung <mail@bücher.example>"
    alice.email = "alice@faß.de"  # fass.de is another domain, and was written to before
    alice.save()
    delivery = make_delivery(make_task(alice))

    deliver_batch()

    (sent,) = server.sent
    mail = read_letter(sent.content)
    assert (sent.sender, sent.to, sent.options) == ("mail@xn--bcher-kva.example", ["alice@xn--fa-hia.de"], [])
    assert mail.raw("From") == "Erinnerung <mail@xn--bcher-kva.example>"
    assert mail.raw("To") == "alice@xn--fa-hia.de"
    assert mail.raw("Message-ID") == f"<{delivery.event_id}@xn--bcher-kva.example>"
    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert delivery.message_id == mail.raw("Message-ID")
    assert delivery.history[-1]["to"] == "alice@xn--fa-hia.de"


@pytest.mark.django_db
def test_a_message_id_that_was_frozen_with_another_domain_goes_out_in_ascii(alice, serve):
    server = serve()
    make_delivery(make_task(alice), message_id="<1@bücher.example>")

    deliver_batch()

    assert read_letter(server.sent[0].content).raw("Message-ID") == "<1@xn--bcher-kva.example>"


def test_a_name_beyond_ascii_goes_out_where_the_server_takes_it_and_the_next_as_ever(message, serve):
    server = serve(smtputf8=True)

    send(replace(message, to="älice@bücher.example", title="Übung"), message)

    first, second = server.sent
    assert first.to == ["älice@xn--bcher-kva.example"]
    assert "SMTPUTF8" in first.options
    assert "BODY=8BITMIME" in first.options
    assert b"\r\nTo: \xc3\xa4lice@xn--bcher-kva.example\r\n" in first.content
    assert read_letter(first.content).text("Subject").endswith(": Übung")
    assert (second.to, second.options) == ([message.to], [])
    assert second.content.isascii()


def test_where_it_does_not_that_message_is_refused_for_good(message, serve):
    server = serve(smtputf8=False)

    with pytest.raises(DeliveryError, match="does not offer SMTPUTF8, which the address älice@") as refused:
        send(replace(message, to="älice@example.org"))
    send(message)

    assert refused.value.permanent is True
    assert [sent.to for sent in server.sent] == [[message.to]]


def test_a_sender_beyond_ascii_is_no_recipients_fault(message, serve, settings):
    settings.EMAIL_FROM = "büro@example.org"
    server = serve(smtputf8=False)

    with pytest.raises(TransportError, match="SMTPUTF8, which the address büro@") as failed:
        send(message)

    assert (failed.value.carrying, server.sent) == (False, [])
    accepting = serve(smtputf8=True)
    send(message)
    assert accepting.sent[0].sender == "büro@example.org"


@pytest.mark.parametrize(
    "address",
    ["=?utf-8?b?DQpCY2M6IHhAZXZpbC50ZXN0?=@example.org", '"=?utf-8?b?DQpCY2M6IA==?="@example.org',
     "a@b.org\r\nBcc: c@d.org", "a@b.org>\r\nRCPT TO:<c@d.org", "a@i❤.ws", "Alice <a@b.org>"],
)  # fmt: skip
def test_an_address_writes_no_header_and_no_command(message, serve, address):
    server = serve(smtputf8=True)

    with pytest.raises(DeliveryError) as refused:
        send(replace(message, to=address))

    assert refused.value.permanent is True
    assert server.sent == []


@pytest.mark.parametrize(
    "address", ['"a b"@example.org', '"a@b"@example.org', '"a,b;c<d>"@example.org', "a!#$%&'*+/?=^_`{|}~-@b.org"]
)
def test_an_unusual_address_goes_over_the_wire_as_it_is(message, serve, address):
    server = serve()

    send(replace(message, to=address))

    assert server.sent[0].to == [address]
    assert parseaddr(read_letter(server.sent[0].content).raw("To"))[1] == address
