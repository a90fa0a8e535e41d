"""What a file is, by its bytes. What the uploader says it is counts for nothing."""

import codecs
import unicodedata

import filetype

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
PDF = "application/pdf"

LOOKED_AT = 8192
"""Bytes from the beginning that tell."""

PICTURES = {"image/jpeg", "image/png", "image/apng", "image/gif", "image/webp", "image/tiff", "image/bmp"}
DRAWABLE = PICTURES | {PDF}
"""What thumbnails are made of."""

SERVED_AS_THEY_ARE = PICTURES | {PDF, TEXT, "application/zip", "audio/mpeg", "video/mp4"}
"""Types under which a browser that ignores all else runs nothing."""


def content_type_of(beginning: bytes) -> str:
    """The type of a file that begins so; `application/octet-stream` for what is not known."""
    if found := filetype.guess_mime(beginning):
        return str(found)
    return TEXT if is_text(beginning) else UNKNOWN


def is_text(beginning: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut off where the file goes on."""
    is_whole = len(beginning) < LOOKED_AT
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning, final=is_whole)
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(is_control(character) for character in text)


def is_control(character: str) -> bool:
    return character not in "\t\n\r\f" and unicodedata.category(character) == "Cc"


def served_as(content_type: str) -> str:
    """The Content-Type of a download."""
    if content_type == TEXT:
        return "text/plain; charset=utf-8"
    return content_type if content_type in SERVED_AS_THEY_ARE else UNKNOWN
