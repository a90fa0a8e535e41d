"""Headers as lines of text, written by us from data that nobody parses before (RFC 5322, 2047, 6532).

Python's email package decodes what a program assigns to a header, and up to 3.11.9 and 3.12.4 it wrote out a line break
that was hidden in an encoded word. Here a value becomes plain words, where each was looked at, then encoded words of 75
characters at most, each valid UTF-8 by itself. The space between two encoded words vanishes when they are read, so a
space of the text stands inside one.
"""

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Iterator

from mail.addresses import LOOKS_ENCODED, Mailbox

LINE = 78
ENCODED_LINE = 76
"""A line with encoded words may have no more (RFC 2047, 2)."""
LONGEST_LINE = 998
ENCODED_WORD = 75
OVERHEAD = len("=?utf-8?q??=")
PAYLOAD = ENCODED_WORD - OVERHEAD
"""Characters of an encoded word that are text."""
LEAST_ROOM = 60
"""An encoded word after plain ones begins a line of its own, if there is less room."""

NO_LINE = re.compile(r"\r\n|[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
PLAIN = re.compile(r"[!-~]+")
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
QUOTABLE = re.compile(r"[ -~]{1,60}")
ITSELF_IN_Q = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
"""What may stand in a display name, too (RFC 2047, 5)."""


def one_line(text: str) -> str:
    """Without line breaks and control characters, which no header may hold; all else stays, joiners too."""
    return SURROGATE.sub("\ufffd", NO_LINE.sub(" ", text))


def unstructured(name: str, text: str) -> str:
    """A header for people, such as Subject: plain words as far as they go, then encoded ones."""
    plain, rest = as_far_as_plain(one_line(text), longest=LINE - len(name) - 2)
    lines = [f"{name}:"]
    for word in plain:
        append(lines, word, LINE)
    if rest:
        room = ENCODED_LINE - len(lines[-1]) - 1
        if plain and room < LEAST_ROOM:
            room = ENCODED_WORD
        for word in encoded_words(rest, first=min(room, ENCODED_WORD)):
            append(lines, word, ENCODED_LINE)
    return "\r\n".join(lines)


def as_far_as_plain(text: str, *, longest: int) -> tuple[list[str], str]:
    """The words that can stand as they are, up to the first that cannot, and the rest.

    More than one space between two words, or one at an end, is part of the rest.
    """
    words = text.split(" ")
    plain = 0
    while plain < len(words) and is_plain(words[plain], longest):
        plain += 1
    rest = " ".join(words[plain:])
    if plain < len(words) and not rest:
        plain -= 1  # no encoded word is empty
        rest = " ".join(words[plain:])
    return words[: max(plain, 0)], rest


def is_plain(word: str, longest: int) -> bool:
    return len(word) <= longest and LOOKS_ENCODED not in word and PLAIN.fullmatch(word) is not None


def mailboxes(name: str, people: Iterable[Mailbox]) -> str:
    """A header with addresses, such as From and To."""
    lines = [f"{name}:"]
    everybody = list(people)
    for number, mailbox in enumerate(everybody):
        address = f"<{mailbox.address}>" if mailbox.name else mailbox.address
        comma = "," if number < len(everybody) - 1 else ""
        for word in [*phrase(mailbox.name, room=ENCODED_LINE - len(name) - 2), address + comma]:
            append(lines, word, ENCODED_LINE)
    return "\r\n".join(lines)


def phrase(text: str, *, room: int) -> list[str]:
    """A display name: as it is, in quotes, or as encoded words."""
    text = one_line(text).strip()
    if LOOKS_ENCODED not in text and QUOTABLE.fullmatch(text):
        return [text if ATOMS.fullmatch(text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"']
    return list(encoded_words(text, first=min(room, ENCODED_WORD)))


def verbatim(name: str, value: str) -> str:
    """A header that is ours and machines read. It is not folded: of a folded URL some make two."""
    line = f"{name}: {value}"
    if not re.fullmatch(r"[ -~]*", line) or len(line) > LONGEST_LINE:
        raise ValueError(f"the header {name} cannot be written")
    return line


def append(lines: list[str], word: str, longest: int) -> None:
    """Put the word on the last line if it fits there, else on one of its own; never one that has the name alone."""
    has_name_alone = len(lines) == 1 and " " not in lines[0]
    if has_name_alone or len(lines[-1]) + 1 + len(word) <= longest:
        lines[-1] += f" {word}"
    else:
        lines.append(f" {word}")


def encoded_words(text: str, *, first: int) -> Iterator[str]:
    """The text as encoded words, the first of at most so many characters. The one of two encodings that is shorter."""
    data = text.encode()
    is_q = size_in_q(data) <= size_in_b(data)
    size, encode = (size_in_q, in_q) if is_q else (size_in_b, in_b)
    most, taken = first - OVERHEAD, b""
    for piece in pieces(text):
        is_whole = size(piece) <= (PAYLOAD if taken else most)
        for part in [piece] if is_whole else map(str.encode, piece.decode()):
            if taken and size(taken + part) > most:
                yield encode(taken)
                most, taken = PAYLOAD, b""
            taken += part
    if taken:
        yield encode(taken)


def size_in_q(data: bytes) -> int:
    return sum(1 if byte in ITSELF_IN_Q or byte == ord(" ") else 3 for byte in data)


def size_in_b(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4


def in_q(data: bytes) -> str:
    letters = ("_" if byte == ord(" ") else chr(byte) if byte in ITSELF_IN_Q else f"={byte:02X}" for byte in data)
    return f"=?utf-8?q?{''.join(letters)}?="


def in_b(data: bytes) -> str:
    return f"=?utf-8?b?{b64encode(data).decode('ascii')}?="


ZWNJ, ZWJ = "\u200c", "\u200d"
VIRAMA = 9
"""The combining class of signs that join two letters in the scripts of India."""


def pieces(text: str) -> Iterator[bytes]:
    """What is better not torn apart: a letter with its marks, a family of emoji, a flag.

    Nearly the grapheme clusters of UAX 29, which Python has no table of. A cut elsewhere is still valid.
    """
    begun = ""
    for character in text:
        if begun and not goes_on(begun, character):
            yield begun.encode()
            begun = ""
        begun += character
    if begun:
        yield begun.encode()


def goes_on(begun: str, character: str) -> bool:
    if character < "\u0300":
        return False
    last = begun[-1]
    return (
        character in (ZWNJ, ZWJ)
        or last == ZWJ
        or unicodedata.category(character).startswith("M")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # the colour of a skin
        or "\U000e0020" <= character <= "\U000e007f"  # tags, as in the flag of Scotland
        or (is_regional(character) and is_regional(last) and len(begun) == 1)
        or "\u1160" <= character <= "\u11ff"  # the vowel and the end of a Hangul syllable
        or unicodedata.combining(last) == VIRAMA
    )


def is_regional(character: str) -> bool:
    """One of the two letters that make a flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"
