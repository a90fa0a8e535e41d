"""What an uploaded file may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachments.names import FORBIDDEN, LONGEST, safe_name

CASES = {
    "a plain name": ("photo.jpg", "photo.jpg"),
    "umlauts and other scripts": ("Übersicht 照片.pdf", "Übersicht 照片.pdf"),
    "a decomposed letter is composed": ("u\u0308ber.txt", "über.txt"),
    "a path": ("../../etc/passwd", "passwd"),
    "a path of Windows": ("C:\\Users\\alice\\photo.jpg", "photo.jpg"),
    "both kinds of slashes": ("a/b\\..\\c.txt", "c.txt"),
    "a path without a name": ("a/b/", "file"),
    "one dot": (".", "file"),
    "two dots": ("..", "file"),
    "dots and spaces around": (" . photo.jpg. . ", "photo.jpg"),
    "a hidden file is not hidden": (".bashrc", "bashrc"),
    "nothing": ("", "file"),
    "spaces alone": ("   ", "file"),
    "invisible characters alone": ("\u200b\u202e\0", "file"),
    "right-to-left override": ("invoice\u202efdp.exe", "invoicefdp.exe"),
    "isolates and marks of direction": ("a\u2066b\u2069c\u200f.txt", "abc.txt"),
    "NUL": ("photo.jpg\0.exe", "photo.jpg.exe"),
    "control characters": ("a\x1b[31mb\x07\x7f\x85.txt", "a[31mb.txt"),
    "lines": ("a\r\nSet-Cookie: b.txt", "aSet-Cookie_ b.txt"),
    "line separators of Unicode": ("a\u2028b\u2029c.txt", "abc.txt"),
    "many spaces": ("a   b.txt", "a b.txt"),
    "what Windows forbids": ('a<b>c:d"e|f?g*h.txt', "a_b_c_d_e_f_g_h.txt"),
    "emoji": ("🎉 party 🥳.png", "🎉 party 🥳.png"),
    "half a surrogate pair": ("a\ud800b.txt", "ab.txt"),
    "private use": ("a\ue000b.txt", "ab.txt"),
    "markup is text": ("<script>.html", "_script_.html"),
}


@pytest.mark.parametrize(("name", "safe"), CASES.values(), ids=CASES)
def test_a_name_is_made_safe(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("x" * 296 + ".jpg", "x.jpg"),
        ("ä" * 148 + ".jpg", "ä.jpg"),
        ("🎉" * 74 + ".jpg", "🎉.jpg"),
        ("x" * 300, "x"),
        ("x" * 280 + "." + "y" * 30, "x"),  # too long for an extension
        ("x" * 195 + " y" * 50 + ".tar.gz", ".gz"),
        ("." + "x" * 300, "x"),
    ],
    ids=["ascii", "two bytes", "four bytes", "no extension", "long extension", "spaces", "only an extension"],
)
def test_a_name_of_300_bytes_is_cut_and_keeps_its_extension(name, end):
    safe = safe_name(name)

    assert LONGEST - 4 < len(safe.encode()) <= LONGEST
    assert safe.endswith(end)


def test_what_is_left_of_a_cut_name_does_not_end_with_a_dot():
    assert safe_name("x" * (LONGEST - 1) + "." + "y" * 30) == "x" * (LONGEST - 1)


@given(st.text(st.characters(), max_size=300))
def test_whatever_comes_in_a_file_system_takes_what_comes_out(name):
    safe = safe_name(name)

    assert 0 < len(safe.encode()) <= LONGEST
    assert not set(safe) & set(FORBIDDEN)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for character in safe)
    assert safe == safe.strip(" .")
    assert safe_name(safe) == safe
