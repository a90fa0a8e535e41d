"""One e-mail, text and perhaps HTML, as the octets that any server takes (RFC 5322 and 2045).

Written without Python's email package, whose versions differ in what they make of a header (mail/headers.py).
"""

import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from uuid import uuid4

from mail.addresses import Mailbox
from mail.domains import to_ascii
from mail.headers import mailboxes, one_line, unstructured, verbatim

LINE_END = re.compile(r"\r\n|\r")
FROM_AT_LINE_START = re.compile(rb"(?m)^From ")


@dataclass(frozen=True)
class Mail:
    sender: Mailbox
    to: tuple[Mailbox, ...]
    subject: str
    date: datetime
    message_id: str
    """With its angle brackets."""
    text: str
    page: str = ""
    """The same in HTML; may be empty."""
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    others: dict[str, str] = field(default_factory=dict)
    """Headers for machines, in ASCII."""

    @property
    def is_international(self) -> bool:
        """Whether only a server that offers SMTPUTF8 takes it: a header holds an address that is not ASCII."""
        return any(mailbox.is_international for mailbox in (self.sender, *self.to, *self.cc, *self.reply_to))

    @property
    def smtp_options(self) -> list[str]:
        """What MAIL FROM says besides the address (RFC 6531, 3.4)."""
        return ["SMTPUTF8", "BODY=8BITMIME"] if self.is_international else []

    def as_bytes(self) -> bytes:
        """ValueError if a header for machines cannot be written."""
        headers = [
            unstructured("Subject", self.subject),
            mailboxes("From", [self.sender]),
            *(mailboxes(name, people) for name, people in self._addressed() if people),
            verbatim("Date", format_datetime(self.date)),
            verbatim("Message-ID", with_ascii_domain(self.message_id)),
            *(verbatim(name, value) for name, value in self.others.items()),
            "MIME-Version: 1.0",
        ]
        return "\r\n".join(headers).encode() + b"\r\n" + self._body()

    def _addressed(self) -> list[tuple[str, tuple[Mailbox, ...]]]:
        return [("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to)]

    def _body(self) -> bytes:
        """From the Content-Type on."""
        if not self.page:
            return part("plain", self.text)
        boundary = f"=_{uuid4().hex}"  # "=_" never comes in quoted-printable
        begin = f"\r\n--{boundary}\r\n".encode()
        opening = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode()
        end = f"\r\n--{boundary}--\r\n".encode()
        return opening + begin + part("plain", self.text) + begin + part("html", self.page) + end


def part(subtype: str, content: str) -> bytes:
    """Its headers and its lines, of 78 characters at most."""
    headers = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return headers.encode() + quoted_printable(content)


def quoted_printable(text: str) -> bytes:
    """The text, its line ends as CRLF. "From " at the start of a line would get a ">" where mail is kept in mboxes."""
    text = LINE_END.sub("\n", text)
    lines = binascii.b2a_qp(text.encode(errors="replace")).removesuffix(b"\n") + b"\n"
    return FROM_AT_LINE_START.sub(b"=46rom ", lines).replace(b"\n", b"\r\n")


def with_ascii_domain(message_id: str) -> str:
    """A Message-ID that was made of a domain before that had to be ASCII."""
    left, at, domain = message_id.strip("<>").rpartition("@")
    return message_id if message_id.isascii() else one_line(f"<{left}{at}{to_ascii(domain)}>")
