"""What a file is, by its bytes."""

import pytest

from attachments.kinds import LOOKED_AT, SERVED_AS_THEY_ARE, content_type_of, served_as

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
SCRIPT = b"<script>alert(1)</script>"

CASES = {
    "JPEG": (JPEG, "image/jpeg"),
    "PNG": (PNG, "image/png"),
    "GIF": (b"GIF89a\x01\x00\x01\x00", "image/gif"),
    "WebP": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
    "TIFF": (b"II*\x00\x08\x00\x00\x00\x00\x00", "image/tiff"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
    "ZIP": (b"PK\x03\x04\x14\x00\x00\x00", "application/zip"),
    "GIF that is a script as well": (b"GIF89a/*" + SCRIPT + b"*/=1;alert(1)", "image/gif"),
    "JPEG with a script in its comment": (JPEG + b"\xff\xfe\x00\x1b" + SCRIPT, "image/jpeg"),
    "PDF with a page in it": (b"%PDF-1.7\n<html>" + SCRIPT, "application/pdf"),
    "HTML is text": (b"<!DOCTYPE html><html>" + SCRIPT, "text/plain"),
    "SVG is text": (b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>", "text/plain"),
    "HTML before a picture is neither": (SCRIPT + PNG, "application/octet-stream"),
    "text": (b"Dear all,\r\n\tyours\n\f", "text/plain"),
    "text in UTF-8": ("Grüße 🎉\u200d".encode(), "text/plain"),
    "text with a no-break space": ("10\u00a0€".encode(), "text/plain"),
    "text with a byte order mark": (b"\xef\xbb\xbfa;b", "text/plain"),
    "text in Latin-1": ("Grüße".encode("latin-1"), "application/octet-stream"),
    "Latin-1, and only its last letter tells": ("café".encode("latin-1"), "application/octet-stream"),
    "text in UTF-16": ("Grüße".encode("utf-16"), "application/octet-stream"),
    "text with a NUL": (b"a\0b", "application/octet-stream"),
    "text with an escape": (b"a\x1b[31mb", "application/octet-stream"),
    "a short file that ends within a character": ("aé".encode()[:-1], "application/octet-stream"),
    "a long one that is cut within a character": (b"a" * (LOOKED_AT - 1) + "é".encode()[:1], "text/plain"),
    "one that is cut in an emoji": (b"a" * (LOOKED_AT - 3) + "🎉".encode()[:3], "text/plain"),
    "a long one with a broken character before its end": (
        b"a" * (LOOKED_AT - 3) + "🎉".encode()[:2] + b"a",
        "application/octet-stream",
    ),
    "one byte that is no text": (b"\xff", "application/octet-stream"),
    "zeros": (bytes(100), "application/octet-stream"),
    "nothing": (b"", "application/octet-stream"),
}


@pytest.mark.parametrize(("beginning", "kind"), CASES.values(), ids=CASES)
def test_the_type_is_what_the_bytes_say(beginning, kind):
    assert content_type_of(beginning) == kind


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("image/png", "image/png"),
        ("application/pdf", "application/pdf"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/javascript", "application/octet-stream"),
        ("application/x-msdownload", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_what_a_browser_might_run_is_served_as_bytes(kind, served):
    assert served_as(kind) == served


def test_no_type_that_runs_in_a_browser_is_served_as_it_is():
    assert not [kind for kind in SERVED_AS_THEY_ARE if any(word in kind for word in ("html", "xml", "script", "svg"))]
