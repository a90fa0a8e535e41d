"""Domains by IDNA 2008 with UTS 46, non-transitional. What is expected is what UTS 46 and registries give."""

import pytest

from mail.domains import DomainError, host_to_ascii, to_ascii, to_unicode


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("example.org", "example.org"),
        ("Example.ORG", "Example.ORG"),  # DNS does not mind
        ("localhost", "localhost"),
        ("my_host", "my_host"),  # a name in a private network
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # the same letter in two code points
        ("faß.de", "xn--fa-hia.de"),  # IDNA 2003 makes fass.de of it, which is somebody else's
        ("βόλος.com", "xn--nxasmm1c.com"),  # and forgets the form of the last sigma
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),  # and the joiner  # noqa: RUF001
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),  # a full stop of another script
        ("\uff45xample.org", "example.org"),  # a letter of double width
    ],
)
def test_a_domain_goes_out_in_ascii(domain, expected):
    assert to_ascii(domain) == expected


@pytest.mark.parametrize(
    "domain",
    [
        "", ".", "a..b", ".example.org", "example.org.", "-a.org", "a-.org", "a b.org", "a/b.org", "a@b.org",
        "a\r\nb.org", "x" * 64 + ".org", ".".join(["x" * 60] * 5), "ü" * 60 + ".org", "ü" * 100_000, "i❤.ws",
        "\u200cx.org", "a\u200db.org", "\u0301a.org", "xn--ü.org", "ü_x.org", "\ud800.org", "ⅷ\u2260.org",
        "=?utf-8?q?x?=", "ü=?.org",
    ],
)  # fmt: skip
def test_what_has_no_such_form_is_refused(domain):
    with pytest.raises(DomainError):
        to_ascii(domain)


def test_people_read_it_in_unicode():
    assert to_unicode("xn--bcher-kva.example") == "bücher.example"
    assert to_unicode("xn--fa-hia.de") == "faß.de"
    assert to_unicode("my_host") == "my_host"


def test_a_host_may_be_an_ip_address():
    assert [host_to_ascii(host) for host in ("127.0.0.1", "::1", "bücher.example")] == [
        "127.0.0.1", "::1", "xn--bcher-kva.example",
    ]  # fmt: skip
