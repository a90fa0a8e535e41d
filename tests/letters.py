"""Reads a message as a strict program would, from its octets, with neither Python's email package nor our encoder."""

import base64
import re
from dataclasses import dataclass

ENCODED_WORD = re.compile(r"=\?utf-8\?([bq])\?([!->@-~]+)\?=")
"""RFC 2047, 2: no space, no question mark, not empty."""


@dataclass(frozen=True)
class Letter:
    lines: dict[str, list[str]]
    """The lines of each header, without its name and without line ends, as they came."""
    body: bytes

    @property
    def names(self) -> list[str]:
        return list(self.lines)

    def raw(self, name: str) -> str:
        """The header unfolded (RFC 5322, 2.2.3), and nothing decoded."""
        return "".join(self.lines[name]).removeprefix(" ")

    def text(self, name: str) -> str:
        """The header as people read it."""
        return decoded(self.raw(name))

    def part(self, kind: str) -> str:
        """The text of the part of this kind, `plain` or `html`."""
        (boundary,) = re.findall(r'boundary="([^"]+)"', self.raw("Content-Type"))
        chunks = self.body.split(f"\r\n--{boundary}".encode())
        assert chunks[0] == b""
        assert chunks[-1] == b"--\r\n"
        (found,) = [chunk for chunk in chunks[1:-1] if f"text/{kind};".encode() in chunk]
        headers, content = found.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)
        assert b"quoted-printable" in headers
        return unquoted(content).decode()


def read_letter(content: bytes) -> Letter:
    """Take the message apart; AssertionError if it is not as RFC 5322 and RFC 2047 say."""
    assert content.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content), "a line break that is not CRLF, or a NUL"
    head, _, body = content.partition(b"\r\n\r\n")
    lines: dict[str, list[str]] = {}
    name = ""
    for line in head.decode().split("\r\n"):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line), f"a control character in {line!r}"
        assert not line.endswith(" "), "a space at the end of a line, which some drop"
        if line.startswith(" "):
            lines[name].append(line)
        else:
            name, colon, value = line.partition(":")
            assert colon
            assert re.fullmatch(r"[!-9;-~]+", name)
            assert name not in lines, f"{name} twice"
            lines[name] = [value]
    for name, parts in lines.items():
        for number, part in enumerate(parts):
            length = len(part) + (0 if number else len(name) + 1)
            assert length <= (76 if "=?utf-8?" in part else 998), part
    assert max(map(len, content.split(b"\r\n"))) <= 998
    return Letter(lines, b"\r\n" + body if body.startswith(b"--") else body)


def unquoted(content: bytes) -> bytes:
    """What quoted-printable stands for (RFC 2045, 6.7)."""
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert re.fullmatch(rb"(=[0-9A-F]{2}|=\r\n|\r\n|[\t -<>-~])*", content)
    assert not re.search(rb"[ \t]\r\n", content)
    return re.sub(rb"=([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), content.replace(b"=\r\n", b""))


def decoded(value: str) -> str:
    """Encoded words become what they stand for; only the space between two of them goes (RFC 2047, 6.2)."""
    said, was_encoded = "", True
    for space, token in re.findall(r"( *)([^ ]*)", value):
        word = ENCODED_WORD.fullmatch(token)
        if not (word and was_encoded and said):
            said += space
        if word:
            assert len(token) <= 75
        said += meaning(*word.groups()) if word else token
        was_encoded = word is not None
    return said


def meaning(encoding: str, text: str) -> str:
    """Of one encoded word, which has to be valid UTF-8 by itself."""
    if encoding == "b":
        return base64.b64decode(text, validate=True).decode()
    return re.sub(rb"=([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), text.replace("_", " ").encode()).decode()
