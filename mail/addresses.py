"""Addresses, taken apart by a grammar of our own (RFC 5321 and 6531, without what is obsolete).

Python's parsers decode whatever looks like an encoded word, in an address as well, and differ from version to version.
"""

import ipaddress
import re
from dataclasses import dataclass

from mail.domains import DomainError, to_ascii, to_unicode

LONGEST = 254
"""Octets of an address (RFC 5321, 4.5.3.1.3, without the angle brackets)."""

BEYOND_ASCII = r"[^\x00-\x9f\s\ud800-\udfff]"
ATOM = rf"(?:[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]|{BEYOND_ASCII})+"
QUOTED = rf'"(?:[ !#-\[\]-~]|\\[ -~]|{BEYOND_ASCII})+"'
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*|{QUOTED}")
LITERAL = re.compile(r"\[(?P<v4>[0-9.]+)\]|\[IPv6:(?P<v6>[0-9A-Fa-f:.]+)\]")
NAMED = re.compile(r"(?P<name>.*?)\s*<(?P<address>[^<>]*)>")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

LOOKS_ENCODED = "=?"
"""How an encoded word begins (RFC 2047). No address needs it, and some who read mail would decode it there."""


class AddressError(ValueError):
    """The text is not an address that mail can be sent to."""


@dataclass(frozen=True)
class Mailbox:
    """An address and whose it is."""

    name: str
    """As it is to be read; may be empty."""
    local: str
    """What stands before the @, in quotes if it was written so."""
    domain: str
    """In ASCII, or an IP address in brackets."""

    @property
    def address(self) -> str:
        """As it stands in headers and goes over the wire."""
        return f"{self.local}@{self.domain}"

    @property
    def is_international(self) -> bool:
        """Whether only a server that offers SMTPUTF8 (RFC 6531) takes it. A domain is no reason."""
        return not self.local.isascii()


def read_address(text: str, *, name: str = "") -> Mailbox:
    """The address by itself: alice@example.org."""
    local, _, domain = text.rpartition("@")
    if not LOCAL_PART.fullmatch(local) or LOOKS_ENCODED in local:
        raise AddressError(f"“{text}” is not an e-mail address")
    try:
        mailbox = Mailbox(name, local, domain if is_literal(domain) else to_ascii(domain))
    except DomainError as error:
        raise AddressError(f"“{text}” is not an e-mail address: {error}") from error
    if len(mailbox.address.encode()) > LONGEST:
        raise AddressError(f"“{text}” is longer than an address may be")
    return mailbox


def read_mailbox(text: str) -> Mailbox:
    """An address that may have a name before it: Alice <alice@example.org>. The name is what is to be read."""
    text = text.strip()
    if CONTROL.search(text):
        raise AddressError("an address may not hold control characters or line breaks")
    named = NAMED.fullmatch(text)
    if named is None:
        return read_address(text)
    return read_address(named["address"].strip(), name=unquoted(named["name"].strip()))


def on_the_wire(address: str) -> str:
    """The address as it goes out; unchanged where it cannot."""
    try:
        return read_address(address).address
    except AddressError:
        return address


def spellings(address: str) -> list[str]:
    """The address as it was written, and with its domain in ASCII and in Unicode, which is the same mailbox."""
    local, at, domain = address.rpartition("@")
    if not at:
        return [address]
    try:
        return list(dict.fromkeys([address, f"{local}@{to_ascii(domain)}", f"{local}@{to_unicode(domain)}"]))
    except DomainError:
        return [address]


def is_literal(domain: str) -> bool:
    """Whether it is an IP address in brackets: [192.0.2.1], [IPv6:2001:db8::1]."""
    literal = LITERAL.fullmatch(domain)
    if literal is None:
        return False
    try:
        ipaddress.ip_address(literal["v4"] or literal["v6"])
    except ValueError:
        return False
    return True


def unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name
