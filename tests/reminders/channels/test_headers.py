"""What people type arrives as they typed it, and writes nothing but itself, as tests/letters.py reads it."""

import random
from base64 import b64encode
from dataclasses import replace

import pytest

from reminders.channels.base import InfectedFile
from reminders.channels.mime import compose
from tests.letters import Letter, decoded, read_letter

HEADERS = {
    "Subject", "From", "To", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted",
    "MIME-Version", "Content-Type",
}  # fmt: skip
DUE = "Due Sun 29 Mar 2026, 17:30 (Europe/Berlin): "


def in_b(text: str) -> str:
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


HOSTILE = [
    in_b("\r\nBcc: x@evil.test"),
    in_b("\nBcc: x@evil.test"),
    in_b("\r\n\r\nA body of my choice"),
    in_b("x\r\nContent-Type: text/html\r\n\r\n<h1>hello</h1>"),
    "=?utf-8?q?=0D=0ABcc:_x@evil.test?=",
    "=?us-ascii?Q?=0ABcc:=20x@evil.test?=",
    "=?iso-8859-1?q?x=0D=0ABcc:_x@evil.test?=",
    "=?utf-8?b?DQpCY2M6?= =?utf-8?b?IHhAZXZpbC50ZXN0?=",
    "=?utf-8?q?a b?=",  # a space, at which some decode all the same
    "=?utf-8?q?=3D=3Futf-8=3Fb=3FDQpCY2M6?=",  # one that is an encoded word when it is decoded
    "before =?utf-8?b?DQpCY2M6?= after",
    "Ü =?utf-8?b?DQpCY2M6?=",
    '"=?utf-8?b?DQpCY2M6?="',
    "=?utf-8?b?not base64?=",
    "=?unknown?x?y?=",
    "=?=?=?",
]
BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.fixture
def infected(message) -> InfectedFile:
    return InfectedFile(
        to=message.to, message_id=message.message_id, language="", title="Taxes", task_url=message.task_url,
        unsubscribe_url=message.unsubscribe_url, file="invoice.doc", found="Eicar",
    )  # fmt: skip


def letter(message) -> Letter:
    return read_letter(compose(message).as_bytes())


@pytest.mark.parametrize("text", HOSTILE)
def test_what_looks_encoded_is_read_as_it_was_typed(message, infected, settings, text):
    """In a title, the name of a file, and the name of the sender."""
    settings.EMAIL_FROM = f"{text} <reminders@localhost>"

    due, news = letter(replace(message, title=text)), letter(replace(infected, file=text, title=text))

    for mail in (due, news):
        assert set(mail.names) == HEADERS
        assert mail.text("From") == text.strip('"') + " <reminders@localhost>"  # quotes around a name are not its own
        assert text in mail.part("plain")
    assert due.text("Subject") == DUE + text
    assert news.text("Subject") == f"Quarantined: {text}, a file of {text}"


@pytest.mark.parametrize("line_break", BREAKS)
def test_a_line_break_becomes_a_space(message, infected, line_break):
    """As raw SQL could bring them in."""
    text = f"a{line_break}Bcc: x@evil.test{line_break * 2}b"

    due, news = letter(replace(message, title=text)), letter(replace(infected, file=text))

    assert set(due.names) == set(news.names) == HEADERS
    assert due.text("Subject") == f"{DUE}a Bcc: x@evil.test  b"
    assert news.text("Subject") == "Quarantined: a Bcc: x@evil.test  b, a file of Taxes"


@pytest.mark.parametrize("code", [*range(32), *range(127, 160)])
def test_a_control_character_becomes_a_space(message, code):
    assert letter(replace(message, title=f"a{chr(code)}b")).text("Subject") == f"{DUE}a b"


FAMILY = "👨🏽‍👩🏻‍👧🏿‍👦🏾"
TOGETHER = [FAMILY, "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇩🇪", "❤️‍🔥", "e\u0301\u0323", "स्ते", "\u1100\u1161\u11a8"]
WORDS = [
    "rent", "milk,", "(12:30)", "50%", "a_b", "x=1", "?", "…", "Ü", "Übergrößen", "straße", "Ελλάδα", "пятница", "שלום",
    "مرحبا", "نامه‌ای", "می‌خواهم", "हिन्दी", "ภาษาไทย", "提出する", "안녕하세요", "báo cáo", "e\u0301", "a\u00adb",
    "10\u00a0kg", "1\u202f000", "\u200e", "\u2067x\u2069", "=?", "=?utf-8?q?x?=", "🎉", FAMILY, "🇩🇪🇫🇷", "x" * 90,
    "ß" * 60,
    '"', "\\", "<b>", "@", "a@b.c", "Bcc:", ":", "z" + "\u0301" * 120,
]  # fmt: skip
SPACES = [" "] * 12 + ["  ", "   ", "\u00a0", "\u3000", "\u200b", ""]


def some_title(lots: random.Random) -> str:
    said = "".join(lots.choice(WORDS) + lots.choice(SPACES) for _ in range(lots.randint(1, 14)))
    return said + "".join(chr(lots.choice([0x20, 0x41, 0xE4, 0x3B1, 0x4E2D, 0x1F600, 0x10FFFD])) for _ in range(3))


def test_any_title_arrives_whole(message):
    lots, lost = random.Random(20261128), []
    for _ in range(3_000):
        title = some_title(lots)
        said = letter(replace(message, title=title)).text("Subject")
        if said != DUE + title:
            lost.append((title, said))

    assert lost == [], f"{len(lost)} of 3000"


@pytest.mark.parametrize("title", [" ", "  both ends  ", "ends with one ", "two  between", "\u00a0", "Ü ", " Ü"])
def test_spaces_at_the_ends_arrive(message, title):
    assert letter(replace(message, title=title)).text("Subject") == DUE + title


@pytest.mark.parametrize("cluster", TOGETHER)
def test_a_letter_and_its_marks_stand_in_one_encoded_word(message, cluster):
    """A program that shows one word after the other would show two halves."""
    for before in range(60):
        mail = letter(replace(message, title="ü" * before + cluster * 8))

        words = [line.rpartition(" ")[2] for line in mail.lines["Subject"] if "=?utf-8?" in line]
        assert [word for word in words if decoded(word).replace(cluster, "").strip("ü")] == []


def test_long_names_of_senders_are_folded_and_whole(message, settings):
    for name in ["Erinnerungen der Stadtwerke, Abteilung für Übergrößen " * 4, "Plain words only " * 20, FAMILY * 9]:
        settings.EMAIL_FROM = f"{name} <reminders@localhost>"

        assert letter(message).text("From") == f"{name.strip()} <reminders@localhost>"


@pytest.mark.parametrize(
    "text",
    [
        "From the beginning\nFrom the end",
        ".\n..\n.dot",
        "trailing \nand tab\t\nend ",
        "=3D=\n=?utf-8?q?x?=",
        "ß" * 3_000,
        "x" * 3_000,
        f"{FAMILY} می‌خواهم \u00a0 \u00ad\u200b",
        "\x1b[31mred\x00",
    ],
)
def test_a_description_arrives_whole(message, text):
    mail = letter(replace(message, description=text))

    assert text.replace("\n", "\r\n") in mail.part("plain")


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_each_kind_of_line_end_is_one_on_the_wire(message, line_end):
    assert "one\r\ntwo\r\n\r\nthree" in letter(
        replace(message, description=f"one{line_end}two{line_end * 2}three")
    ).part("plain")
