"""Which addresses mail is sent to, and how one with a name is read."""

import pytest

from mail.addresses import AddressError, read_address, read_mailbox, spellings


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("alice@example.org", "alice@example.org"),
        ("admin@localhost", "admin@localhost"),
        ("a.b+c=d@example.org", "a.b+c=d@example.org"),
        ("o'neill@example.org", "o'neill@example.org"),
        ('"a b"@example.org', '"a b"@example.org'),
        ('"a@b"@example.org', '"a@b"@example.org'),
        ("alice@[192.0.2.1]", "alice@[192.0.2.1]"),
        ("alice@[IPv6:2001:db8::1]", "alice@[IPv6:2001:db8::1]"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("alice@faß.de", "alice@xn--fa-hia.de"),
        ("älice@bücher.example", "älice@xn--bcher-kva.example"),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_it_goes_out_so(text, wire):
    mailbox = read_address(text)

    assert mailbox.address == wire
    assert mailbox.is_international == (not wire.isascii())


@pytest.mark.parametrize(
    "text",
    [
        "", "nobody", "@example.org", "alice@", "a@b@c.org", ".a@b.org", "a.@b.org", "a..b@c.org", "a b@c.org",
        "a@b c.org", "a,b@c.org", "a(b)@c.org", "<a@b.org>", "a@b.org>", "Alice <a@b.org>", "a@b.org, c@d.org",
        "a@[1.2.3]", "a@[::1]", "a@b.org\r\nBcc: x@evil.test", "a\nb@c.org", "\x00@b.org", "a\u00a0b@c.org",
        "a\u2028@b.org", '"a\r\n"@b.org', '"a"b@c.org', "=?utf-8?b?DQpCY2M6IHhAZXZpbC50ZXN0?=@example.org",
        '"=?utf-8?q?x?="@example.org', "a@i❤.ws", "a@=?utf-8?q?x?=", "x" * 250 + "@example.org",
        "\U0001f600" * 63 + "@b.org", "\ud800@b.org",
    ],
)  # fmt: skip
def test_what_mail_cannot_be_sent_to_is_refused(text):
    with pytest.raises(AddressError):
        read_address(text)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("reminders@localhost", "", "reminders@localhost"),
        (" <reminders@localhost> ", "", "reminders@localhost"),
        ("Taskapp <reminders@localhost>", "Taskapp", "reminders@localhost"),
        ('"Doe, Jane" <jane@example.org>', "Doe, Jane", "jane@example.org"),
        ("Doe, Jane <jane@example.org>", "Doe, Jane", "jane@example.org"),
        ('"a \\"b\\" \\\\" <a@b.org>', 'a "b" \\', "a@b.org"),
        ("=?utf-8?q?x?= <a@b.org>", "=?utf-8?q?x?=", "a@b.org"),
        ("a@b.org <c@d.org>", "a@b.org", "c@d.org"),
        ("Erinnerung <mail@bücher.example>", "Erinnerung", "mail@xn--bcher-kva.example"),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text, name, address):
    mailbox = read_mailbox(text)

    assert (mailbox.name, mailbox.address) == (name, address)


@pytest.mark.parametrize(
    "text", ["nobody", "Taskapp <nobody>", "a\r\nBcc: x <a@b.org>", "Taskapp <a@b.org> x", "<a@b.org> <c@d.org> <"]
)
def test_another_text_is_no_mailbox(text):
    with pytest.raises(AddressError):
        read_mailbox(text)


def test_one_mailbox_has_several_spellings():
    both = ["a@bücher.example", "a@xn--bcher-kva.example"]

    assert spellings(both[0]) == both
    assert sorted(spellings(both[1])) == sorted(both)
    assert spellings("a@example.org") == ["a@example.org"]
    assert spellings("nobody") == ["nobody"]
