"""Domains in ASCII: by IDNA 2008, mapped by UTS 46 without its transitional rules.

Python's own codec "idna" follows IDNA 2003, which makes fass.de of faß.de: a domain that may be somebody else's.
"""

import ipaddress
import re

import idna

LONGEST = 253
"""Characters of a domain (RFC 1035, 2.3.4, without the dot at the end)."""

LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""With the underscore, which names of hosts in private networks have."""


class DomainError(ValueError):
    """The text is not a valid domain name."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"“{domain}” is not a valid domain name (IDNA 2008)")


def to_ascii(domain: str) -> str:
    """The domain as it goes out. One that is in ASCII already stays as it is; DNS decides about xn-- labels."""
    try:
        is_too_long = len(domain) > LONGEST  # converting takes the longer, the longer a label is
        ascii_domain = domain if domain.isascii() or is_too_long else idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:  # IDNAError is one
        raise DomainError(domain) from error
    if len(ascii_domain) > LONGEST or not all(map(LABEL.fullmatch, ascii_domain.split("."))):
        raise DomainError(domain)
    return ascii_domain


def to_unicode(domain: str) -> str:
    """The domain as people read it; unchanged where it has no such form."""
    try:
        return idna.decode(domain, uts46=True)
    except UnicodeError:
        return domain


def host_to_ascii(host: str) -> str:
    """The host of a URL, which may be an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return to_ascii(host)
    return host
