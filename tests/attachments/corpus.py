"""Files as they should not be: odd, broken and hostile ones, made anew for each test and the same each time.

`ODD` can be drawn, however strange it is; `REFUSED` is a picture or a PDF, or begins like one, of which nothing can
be drawn; `EITHER` its decoder may take or not; `OTHER` is no picture at all. Most have a few kB; bombs are small until
somebody lights them.
"""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, TiffImagePlugin

SCRIPT = b"<script>alert(document.domain)</script>"
SECRET = b"48.8583N 2.2944E"
"""What metadata say, and no thumbnail may."""


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A gradient, from dark to light."""
    return Image.linear_gradient("L").resize(size).convert("RGB").convert(mode)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


# --- PNG, by hand --------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(
    width: int, height: int, rows: bytes, *, bits: int = 8, colour: int = RGB, extra: bytes = b"", interlaced: int = 0
) -> bytes:
    header = struct.pack("!IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def deep_rows(values: int, size: int = 16) -> bytes:
    """Rows of 16 bits a value, from dark to light."""
    return b"".join(b"\0" + struct.pack("!H", row * 4096) * values * size for row in range(size))


def deep_png(colour: int, values: int, extra: bytes = b"") -> bytes:
    return png(16, 16, deep_rows(values), bits=16, colour=colour, extra=extra)


def text_bomb(kind: bytes, before: bytes, *, count: int, size: int) -> bytes:
    text = chunk(kind, before + zlib.compress(b"A" * size, 9))
    return png(1, 1, b"\0\0\0\0", extra=text * count)


def animated(format_: str) -> bytes:
    """Ten pictures; the first is red."""
    rest = [Image.new("RGB", (40, 30), (0, 0, 25 * number)) for number in range(9)]
    return saved(Image.new("RGB", (40, 30), "red"), format_, save_all=True, append_images=rest, duration=20)


# --- JPEG ----------------------------------------------------------------------------------------------------------


def jpeg(**options: Any) -> bytes:
    return saved(picture(), "JPEG", **options)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack("!BBH", 0xFF, marker, len(data) + 2) + data


def with_segment(file: bytes, marker: int, data: bytes) -> bytes:
    return file[:2] + segment(marker, data) + file[2:]


def ycck_jpeg() -> bytes:
    """What Pillow writes as CMYK, said to be YCCK: Adobe's marker has the transformation in its last byte."""
    file = saved(picture("CMYK"), "JPEG")
    at = file.index(b"Adobe") + 11
    return file[:at] + b"\2" + file[at + 1 :]


def huge_jpeg() -> bytes:
    """Its header says 65,500 by 65,500 pixels."""
    file = jpeg()
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + struct.pack("!HH", 65500, 65500) + file[at + 4 :]


def jpeg_without_lines() -> bytes:
    """The number of lines is to follow, in a marker that never comes."""
    file = jpeg()
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + b"\0\0" + file[at + 2 :]


def jpeg_of_many_scans() -> bytes:
    """A progressive one whose last scan comes 20,000 times: each goes over all of its 46 million pixels."""
    file = saved(Image.new("L", (6800, 6800), 128), "JPEG", progressive=True)
    last = file.rindex(b"\xff\xda")
    return file[:last] + file[last:-2] * 20_000 + file[-2:]


def exif(entries: int, entry: bytes, next_: int = 0) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", entries) + entry + struct.pack("<I", next_)


def jpeg_with_metadata() -> bytes:
    """A place in EXIF, XMP, a comment and something that takes itself for an ICC profile."""
    said = Image.Exif()
    said[0x010E] = SECRET.decode()
    said.get_ifd(0x8825)[29] = SECRET.decode()
    return jpeg(exif=said, xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>", comment=SECRET, icc_profile=SECRET * 100)


# --- GIF -----------------------------------------------------------------------------------------------------------


def gif(
    screen: tuple[int, int], frame: tuple[int, int], data: bytes = b"\x02\x02\x44\x0a\0", before: bytes = b""
) -> bytes:
    """With two colours; the data are one row of two pixels unless told otherwise."""
    return (
        b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + before
        + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + data + b";"
    )  # fmt: skip


def gif_comment(text: bytes) -> bytes:
    return b"!\xfe" + bytes([len(text)]) + text + b"\0"


# --- TIFF ----------------------------------------------------------------------------------------------------------

SHORT, LONG, RATIONAL = 3, 4, 5
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256, 257, 258, 259, 262, 273, 277, 278, 279,
)  # fmt: skip


def tiff(tags: dict[int, tuple[int, int, int]], *, next_: int = 0, data: bytes = b"\x80" * 64) -> bytes:
    """Tags as type, count and value; the data lie at byte 8, and the directory behind them."""
    entries = b"".join(struct.pack("<HHII", tag, *what) for tag, what in sorted(tags.items()))
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_)


def tags(width: int = 8, height: int = 8, **more: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    return {
        WIDTH: (LONG, 1, width), LENGTH: (LONG, 1, height), BITS: (SHORT, 1, 8), COMPRESSION: (SHORT, 1, 1),
        PHOTOMETRIC: (SHORT, 1, 1), OFFSETS: (LONG, 1, 8), SAMPLES: (SHORT, 1, 1), ROWS: (LONG, 1, height),
        COUNTS: (LONG, 1, 64), **{globals()[name]: what for name, what in more.items()},
    }  # fmt: skip


def float_tiff() -> bytes:
    """Between 0 and 1, as scientists have it."""
    return saved(picture("F").point(lambda value: value / 255 + 0), "TIFF")


def nan_tiff() -> bytes:
    return saved(Image.frombytes("F", (8, 8), struct.pack("<64f", *[float("nan")] * 63, float("inf"))), "TIFF")


def big_tiff() -> bytes:
    """With 2 to the power of 60 rational numbers, somewhere."""
    entries = [
        (WIDTH, LONG, 1, 8), (LENGTH, LONG, 1, 8), (OFFSETS, LONG, 1, 16), (COUNTS, LONG, 1, 64),
        (0x9C9B, RATIONAL, 1 << 60, 16),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 80) + b"\x80" * 64 + struct.pack("<Q", 5) + directory + b"\0" * 8


def tiff_bomb() -> bytes:
    """60,000 by 60,000 pixels in one strip, deflated."""
    packed = zlib.compress(b"\0" * 2**20)
    said = tags(60_000, 60_000, COMPRESSION=(SHORT, 1, 8), COUNTS=(LONG, 1, len(packed)))
    return tiff(said, data=packed)


def tiff_with_text() -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = SECRET.decode()
    return saved(picture(), "TIFF", tiffinfo=info, compression="tiff_lzw")


# --- BMP and WebP --------------------------------------------------------------------------------------------------


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = b"\x80" * 192) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 2, 0)
    palette = b"\0\0\0\0\xff\xff\xff\0" if bits <= 8 else b""
    offset = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + head + palette + data


def webp_of_huge_canvas() -> bytes:
    """An animation on a canvas of 16,384 by 16,384 pixels, with one small picture."""
    small = saved(picture(size=(16, 16)), "WEBP")[12:]
    frame = b"\0" * 6 + b"\x0f\0\0" * 2 + b"\x64\0\0\0" + small
    body = (
        b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
        + b"ANIM" + struct.pack("<I", 6) + b"\0" * 6 + b"ANMF" + struct.pack("<I", len(frame)) + frame
    )  # fmt: skip
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- PDF -----------------------------------------------------------------------------------------------------------


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """The objects in turn; the first is the catalogue."""
    file, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return file + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, trailer, len(file))
    )


def stream(data: bytes, facts: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), facts, data)


CATALOGUE, PAGES = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
RED_SQUARE = stream(b"1 0 0 rg 0 0 100 100 re f")


def page(
    box: bytes = b"0 0 200 100", content: bytes = RED_SQUARE, *more: bytes, facts: bytes = b"", trailer: bytes = b""
) -> bytes:
    """A PDF with one page, red in its left half."""
    of_page = b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R %s >>" % (box, facts)
    return pdf(CATALOGUE, PAGES, of_page, content, *more, trailer=trailer)


def page_with(thing: bytes, content: bytes = b"q 200 0 0 100 0 0 cm /X Do Q") -> bytes:
    """A page that draws the fifth object."""
    return page(b"0 0 200 100", stream(content), thing, facts=b"/Resources << /XObject << /X 5 0 R >> >>")


def deflated(data: bytes, *, times: int = 1, facts: bytes = b"") -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return stream(data, b"/Filter [%s] %s" % (b"/FlateDecode " * times, facts))


def pdf_that_draws_itself() -> bytes:
    facts = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    return page_with(stream(b"/X Do /X Do", facts))


def pdf_of_huge_image() -> bytes:
    """60,000 by 60,000 dots, of which a few come."""
    facts = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /ColorSpace /DeviceRGB /BitsPerComponent 8"
    return page_with(deflated(b"\0" * 2**20, facts=facts))


def encrypted_pdf() -> bytes:
    lock = b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <%s> /U <%s> >>" % (b"ab" * 32, b"cd" * 32)
    return page(b"0 0 200 100", RED_SQUARE, lock, trailer=b"/Encrypt 5 0 R /ID [<00> <00>]")


# --- What is no picture ---------------------------------------------------------------------------------------------


def zip_of(**contents: bytes) -> bytes:
    """With a fixed date, so that it is the same each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def zip_bomb() -> bytes:
    """Ten times ten times ten megabytes."""
    inner = zip_of(zeros=b"\0" * 10 * 2**20)
    middle = zip_of(**{f"{number}.zip": inner for number in range(10)})
    return zip_of(**{f"{number}.zip": middle for number in range(10)})


def nested_zips() -> bytes:
    file = b"the end"
    for _ in range(50):
        file = zip_of(next=file)
    return file


def tar_that_climbs() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        climbing = tarfile.TarInfo("../../../etc/cron.d/x")
        archive.addfile(climbing)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def laughs(root: str, before: str = "") -> bytes:
    """Each entity is ten times the one before: a thousand million laughs."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY l0 "ha">{entities}]>{before}<{root}>&l9;</{root}>'
    return text.encode()


ODD: dict[str, Callable[[], bytes]] = {
    "one pixel.png": lambda: saved(picture(size=(1, 1)), "PNG"),
    "thin.png": lambda: saved(picture(size=(1, 20_000)), "PNG"),
    "flat.png": lambda: saved(picture(size=(20_000, 1)), "PNG"),
    "thin.jpg": lambda: saved(picture(size=(1, 20_000)), "JPEG"),
    "1 bit.png": lambda: saved(picture("1"), "PNG"),
    "1 bit, one is transparent.png": lambda: saved(picture("1"), "PNG", transparency=0),
    "grey and alpha.png": lambda: saved(picture("LA"), "PNG"),
    "16 bits, grey.png": lambda: deep_png(GREY, 1),
    "16 bits, grey, one is transparent.png": lambda: deep_png(GREY, 1, chunk(b"tRNS", b"\xf0\x00")),
    "16 bits, grey and alpha.png": lambda: deep_png(GREY_ALPHA, 2),
    "16 bits, colours.png": lambda: deep_png(RGB, 3),
    "16 bits, colours, one is transparent.png": lambda: deep_png(RGB, 3, chunk(b"tRNS", b"\xf0\x00" * 3)),
    "16 bits, colours and alpha.png": lambda: deep_png(RGB_ALPHA, 4),
    "palette, transparent.png": lambda: saved(picture("P"), "PNG", transparency=bytes(range(256))),
    "interlaced.png": lambda: png(1, 1, b"\0\1\2\3", interlaced=1),
    "animated.png": lambda: animated("PNG"),
    "animated.gif": lambda: animated("GIF"),
    "animated.webp": lambda: animated("WEBP"),
    "frame beyond the screen.gif": lambda: gif((1, 1), (2, 1)),
    "html in a comment.gif": lambda: gif((2, 1), (2, 1), before=gif_comment(SCRIPT)),
    "transparent.webp": lambda: saved(picture("RGBA"), "WEBP", lossless=True),
    "cmyk.jpg": lambda: saved(picture("CMYK"), "JPEG"),
    "ycck.jpg": ycck_jpeg,
    "grey.jpg": lambda: saved(picture("L"), "JPEG"),
    "progressive.jpg": lambda: jpeg(progressive=True),
    "metadata.jpg": jpeg_with_metadata,
    "broken exif.jpg": lambda: with_segment(jpeg(), 0xE1, exif(60_000, b"\x12\x01\3\0\1\0\0\0\6\0\0\0")),
    "exif that points to itself.jpg": lambda: with_segment(jpeg(), 0xE1, exif(1, b"\x69\x87\4\0\1\0\0\0\x08\0\0\0", 8)),
    "orientation 99.jpg": lambda: with_segment(jpeg(), 0xE1, exif(1, b"\x12\x01\3\0\1\0\0\0\x63\0\0\0")),
    "also a zip.jpg": lambda: jpeg() + zip_of(hidden=SCRIPT),
    "html in a comment.jpg": lambda: with_segment(jpeg(), 0xFE, SCRIPT),
    "pdf in a comment.jpg": lambda: with_segment(jpeg(), 0xFE, page()),
    "float.tif": float_tiff,
    "not a number.tif": nan_tiff,
    "32 bits.tif": lambda: saved(picture("I"), "TIFF"),
    "16 bits.tif": lambda: saved(Image.frombytes("I;16", (16, 16), bytes(range(256)) * 2), "TIFF"),
    "1 bit, as faxes are.tif": lambda: saved(picture("1"), "TIFF", compression="group4"),
    "cmyk.tif": lambda: saved(picture("CMYK"), "TIFF"),
    "metadata.tif": tiff_with_text,
    "points to itself.tif": lambda: tiff(tags(), next_=72),
    "upside down.bmp": lambda: bmp(8, -8),
    "1 bit.bmp": lambda: bmp(8, 8, bits=1, data=b"\xaa\0\0\0" * 8),
    "page.pdf": page,
    "thin page.pdf": lambda: page(b"0 0 1 20000"),
    "page without size.pdf": lambda: page(b"0 0 0 0"),
    "javascript.pdf": lambda: page(trailer=b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
    "also a zip.pdf": lambda: page() + zip_of(hidden=SCRIPT),
    "deflated twice over.pdf": lambda: page(content=deflated(b" " * 50 * 2**20, times=2)),
}  # fmt: skip

REFUSED: dict[str, Callable[[], bytes]] = {
    "bomb.pdf": lambda: page(content=deflated(b"0 0 9 9 re f " * 2**22)),
    "draws itself.pdf": pdf_that_draws_itself,
    "bomb.png": lambda: png(60_000, 60_000, b"\0" * 2**20, bits=1, colour=GREY),
    "2 to the power of 31.png": lambda: png(2**31 - 1, 2**31 - 1, b"\0" * 9),
    "no width.png": lambda: png(0, 9, b"\0" * 9),
    "text bomb.png": lambda: text_bomb(b"zTXt", b"k\0\0", count=1, size=64 * 2**20),
    "a thousand text bombs.png": lambda: text_bomb(b"zTXt", b"k\0\0", count=1000, size=2**20),
    "international text bomb.png": lambda: text_bomb(b"iTXt", b"k\0\1\0\0\0", count=100, size=2**20),
    "chunk without end.png": lambda: PNG + struct.pack("!I", 2**31 - 1) + b"IHDR",
    "wrong checksum.png": lambda: deep_png(RGB, 3).replace(b"IHDR", b"IHDR\x01", 1),
    "no data.png": lambda: PNG + chunk(b"IHDR", struct.pack("!IIBBBBB", 9, 9, 8, RGB, 0, 0, 0)) + chunk(b"IEND", b""),
    "cut off.png": lambda: saved(Image.effect_mandelbrot((200, 200), (-3, -2.5, 2, 2.5), 100), "PNG")[:1500],
    "the beginning of a.png": lambda: PNG,
    "huge screen.gif": lambda: gif((65_535, 65_535), (2, 1)),
    "huge frame.gif": lambda: gif((1, 1), (65_535, 65_535)),
    "no frame.gif": lambda: b"GIF89a\x02\0\x01\0\0\0\0;",
    "html behind the magic number.gif": lambda: b"GIF89a/*" + SCRIPT + b"*/=1;",
    "bomb.jpg": huge_jpeg,
    "no lines.jpg": jpeg_without_lines,
    "cut off.jpg": lambda: jpeg()[:-200],
    "headers alone.jpg": lambda: segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0").join([b"\xff\xd8", b"\xff\xd9"]),
    "many scans.jpg": jpeg_of_many_scans,
    "bomb.tif": tiff_bomb,
    "no rows in a strip.tif": lambda: tiff(tags(ROWS=(LONG, 1, 0), COMPRESSION=(SHORT, 1, 5))),
    "strip beyond the end.tif": lambda: tiff(tags(OFFSETS=(LONG, 1, 2**32 - 9))),
    "endless list of strips.tif": lambda: tiff(tags(OFFSETS=(LONG, 2**32 - 1, 8))),
    "unknown compression.tif": lambda: tiff(tags(COMPRESSION=(SHORT, 1, 54321))),
    "64,000 values in a pixel.tif": lambda: tiff(tags(SAMPLES=(SHORT, 1, 64_000))),
    "directory beyond the end.tif": lambda: b"II*\0\xff\xff\xff\x7f" + b"\0" * 64,
    "bomb.bmp": lambda: bmp(60_000, 60_000),
    "run-length bomb.bmp": lambda: bmp(60_000, 60_000, bits=8, compression=1, data=b"\xff\0" * 500),
    "2 to the power of 31.bmp": lambda: bmp(2**31 - 1, -(2**31)),
    "cut off.bmp": lambda: bmp(800, 800),
    "huge canvas.webp": webp_of_huge_canvas,
    "cut off.webp": lambda: saved(picture(size=(300, 300)), "WEBP")[:200],
    "the beginning of a.webp": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X",
    "encrypted.pdf": encrypted_pdf,
    "no pages.pdf": lambda: pdf(CATALOGUE, b"<< /Type /Pages /Kids [] /Count 0 >>"),
    "a million pages that are not there.pdf": lambda: pdf(CATALOGUE, b"<< /Type /Pages /Kids [] /Count 1000000 >>"),
    "pages within themselves.pdf": lambda: pdf(CATALOGUE, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9 >>"),
    "gigantic page.pdf": lambda: page(b"0 0 99999999 99999999"),
    "cut off.pdf": lambda: page()[:60],
    "brackets within brackets.pdf": lambda: pdf(b"[" * 200_000),
    "the beginning of a.pdf": lambda: b"%PDF-1.7\n",
}  # fmt: skip

EITHER: dict[str, Callable[[], bytes]] = {
    "huge image.pdf": pdf_of_huge_image,
    "longer than it says.png": lambda: png(1, 1, b"\0" * 50 * 2**20),
    "profile bomb.png": lambda: text_bomb(b"iCCP", b"k\0\0", count=1, size=64 * 2**20),
}

OTHER: dict[str, Callable[[], bytes]] = {
    "2 to the power of 60 values.tif": big_tiff,
    "html": lambda: b"<!DOCTYPE html><html><body>" + SCRIPT + b"</body></html>",
    "html behind blanks": lambda: b" \n" * 5000 + b"<html>" + SCRIPT,
    "html in UTF-16": lambda: f"<html>{SCRIPT.decode()}".encode("utf-16"),
    "html in UTF-7": lambda: b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>",
    "svg bomb": lambda: laughs("svg"),
    "xml bomb": lambda: laughs("lolz"),
    "xml that reads files": lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    "stylesheet": lambda: b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#x"?><x id="x"/>',
    "javascript": lambda: b"alert(document.domain)",
    "css": lambda: b"body{background:url(//example.org)}",
    "shell script": lambda: b"#!/bin/sh\nrm -rf /\n",
    "program.exe": lambda: b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + bytes(200),
    "program.elf": lambda: b"\x7fELF\2\1\1" + bytes(200),
    "program.wasm": lambda: b"\0asm\1\0\0\0",
    "program.class": lambda: b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(50),
    "flash.swf": lambda: b"FWS\x0a" + bytes(50),
    "one byte": lambda: b"\n",
    "one NUL": lambda: b"\0",
    "a megabyte of NULs": lambda: bytes(2**20),
    "every byte": lambda: bytes(range(256)) * 64,
    "not UTF-8": lambda: b"\xff\xfe\xfd" * 100,
    "letters cut off in the middle": lambda: "ä".encode() * 4095 + b"a\xc3",
    "escape sequences": lambda: b"\x1b]0;owned\x07\x1b[2J",
    "formulas.csv": lambda: b'=cmd|"/c calc"!A1,@SUM(1)\n',
    "letter.eml": lambda: b"From: a@example.org\nContent-Type: text/html\n\n" + SCRIPT,
    "zip bomb": zip_bomb,
    "zips within zips": nested_zips,
    "zip that climbs": lambda: zip_of(**{"../../../../etc/cron.d/x": b"* * * * * root true", "/etc/passwd": b"x"}),
    "zip whose directory lies": lambda: zip_of(a=b"x" * 999)[:-22] + b"PK\5\6" + b"\xff" * 16 + b"\0\0",
    "gzip bomb": lambda: gzip.compress(bytes(100 * 2**20), mtime=0),
    "tar that climbs": tar_that_climbs,
    "the beginning of a 7z": lambda: b"7z\xbc\xaf\x27\x1c\0\4" + b"\xff" * 24,
    "the beginning of a rar": lambda: b"Rar!\x1a\x07\1\0" + b"\xff" * 30,
    "document.docx": lambda: zip_of(**{"[Content_Types].xml": laughs("Types"), "word/document.xml": laughs("w")}),
    "the beginning of an old document.doc": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 600,
    "letter.rtf": lambda: b"{\\rtf1{\\object\\objdata 01050000}}" + b"{" * 5000,
    "picture.psd": lambda: b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\xff" * 40,
    "picture.ico": lambda: b"\0\0\1\0\1\0" + bytes(40),
    "picture.avif": lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\xff" * 40,
    "picture.heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\xff" * 40,
    "postscript.eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "film.mp4": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\xff" * 40,
    "song.mp3": lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + b"\xff\xfb\x90\0" * 20,
}  # fmt: skip

FILES = {**ODD, **REFUSED, **EITHER, **OTHER}
