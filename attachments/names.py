"""What an uploaded file may be called. Pure."""

import unicodedata

LONGEST = 200
"""In bytes, so that any file system takes it, with the number that a browser may add."""

LONGEST_EXTENSION = 20
NAMELESS = "file"
FORBIDDEN = '<>:"/\\|?*'
"""What some operating system does not take in a name."""


def safe_name(name: str) -> str:
    """The last part of the path, in one line, without what steers a terminal, a reading direction or a file system."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join("_" if character in FORBIDDEN else character for character in name if is_visible(character))
    name = " ".join(unicodedata.normalize("NFC", name).split()).strip(" .")
    return shortened(name) or NAMELESS


def is_visible(character: str) -> bool:
    """Not a control, format (such as right-to-left override), surrogate, private or unassigned character."""
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def shortened(name: str) -> str:
    """At most LONGEST bytes in UTF-8; what is cut off is not the extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > LONGEST_EXTENSION:
        stem, dot, extension = name, "", ""
    room = LONGEST - len(f"{dot}{extension}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + extension
