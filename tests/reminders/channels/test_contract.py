"""What every channel does. A new one joins by a line in WAYS."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from reminders.channels import CHANNELS
from reminders.channels.base import DeliveryError, TransportError
from tests.mail_server import MailServer
from tests.reminders.handing import Held


class BySmtp:
    def __init__(self, request, settings) -> None:
        self.server = MailServer()
        self.server.__enter__()
        request.addfinalizer(lambda: self.server.__exit__(None, None, None))
        settings.MAIL_SERVER = self.server.settings
        self.settings = settings

    def received(self) -> list[EmailMessage]:
        return self.server.accepted

    def cut_off(self) -> None:
        self.settings.MAIL_SERVER = {**self.server.settings, "port": 1}


class ByOutbox:
    def __init__(self, request, settings) -> None:
        self.directory = settings.OUTBOX_DIR

    def received(self) -> list[EmailMessage]:
        files = self.directory.glob("*.eml")
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def cut_off(self) -> None:
        self.directory.write_text("a file where the directory should be")


WAYS = {"e-mail by SMTP": ("email", BySmtp), "e-mail into the outbox": ("email", ByOutbox)}


@pytest.fixture(params=WAYS)
def way(request, settings):
    return WAYS[request.param][1](request, settings)


@pytest.fixture
def channel(request, way):
    return CHANNELS[WAYS[request.node.callspec.params["way"]][0]]()


def test_it_carries_a_message_whole(channel, way, message):
    with channel.session() as session:
        session.send(message, lease=Held())

    (received,) = way.received()
    assert message.title in received["Subject"]
    assert received["To"] == message.to
    assert received["Message-ID"] == message.message_id
    text = received.get_body(("plain",)).get_content()
    assert message.description in text.replace("\r\n", "\n")


def test_it_carries_one_message_after_the_other(channel, way, message):
    with channel.session() as session:
        session.send(message, lease=Held())
        session.send(replace(message, message_id="<2@tasks.example.org>"), lease=Held())

    assert len(way.received()) == 2


def test_it_can_be_used_again_after_a_session(channel, way, message):
    with channel.session():
        pass
    with channel.session() as session:
        session.send(message, lease=Held())

    assert len(way.received()) == 1


def test_a_message_that_cannot_be_addressed_is_refused_for_good_and_the_next_goes(channel, way, message):
    with channel.session() as session:
        with pytest.raises(DeliveryError) as refused:
            session.send(replace(message, to="nobody"), lease=Held())
        session.send(message, lease=Held())

    assert refused.value.permanent is True
    assert len(way.received()) == 1


def test_a_message_that_cannot_be_written_harms_no_other(channel, way, message):
    with channel.session() as session:
        with pytest.raises(ValueError, match="List-Unsubscribe"):
            session.send(replace(message, unsubscribe_url="https://ü.example"), lease=Held())
        session.send(message, lease=Held())

    assert [received["Message-ID"] for received in way.received()] == [message.message_id]


def test_nothing_is_handed_over_after_the_time_to_give_up(channel, way, message):
    with channel.session() as session, pytest.raises(TransportError) as late:
        session.send(message, lease=Held(-1))

    assert late.value.unknown is False
    assert way.received() == []


def test_a_way_that_does_not_work_is_said_to_be_the_ways_fault(channel, way, message):
    way.cut_off()

    with pytest.raises(TransportError) as failed, channel.session() as session:
        session.send(message, lease=Held())

    assert failed.value.unknown is False


@pytest.mark.parametrize(
    "title",
    [
        "Übergrößen",
        "提出する 🎉",
        "x" * 500,
        "with\x0bcontrol",
        "line\nbreak",
        "line\u2028separator",
        "  spaces  ",
        "=?utf-8?q?no?=",
    ],
)
def test_any_title_arrives(channel, way, message, title):
    with channel.session() as session:
        session.send(replace(message, title=title), lease=Held())

    (received,) = way.received()
    assert title in received.get_body(("plain",)).get_content() or not title.isprintable()
