"""The program that draws: what comes out is upright, small and without metadata, and nothing gets out of its limits."""

import io
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.files import File
from PIL import Image, PngImagePlugin

from attachments import drawing, files, thumbnailing
from attachments.kinds import LOOKED_AT, content_type_of
from attachments.models import Attachment
from attachments.processing import process
from attachments.receiving import clear_abandoned
from attachments.thumbnailing import DrawingEndedError, Drawn, NotDrawableError, drawn_in
from tests.attachments import corpus
from tests.attachments.children import children
from tests.attachments.corpus import FILES, SECRET, jpeg, page, saved
from tests.factories import make_task
from tests.waiting import eventually

MEASURED = """
import os, sys
pid = os.posix_spawn(sys.executable, [sys.executable, "-I", *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""Runs the program, and says how it has ended and how many KB it has had. Its peak begins with that of its parent, so
that must be a small one, which we are not."""

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@dataclass(frozen=True)
class Run:
    code: int
    said: str
    peak: int
    """In megabytes."""


def run(directory: Path, content: bytes) -> Run:
    (directory / "source").write_bytes(content)
    return run_on_source(directory, content_type_of(content[:LOOKED_AT]))


def run_on_source(directory: Path, content_type: str) -> Run:
    command = [sys.executable, "-I", "-c", MEASURED, drawing.__file__, content_type, "source"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    *said, measured = done.stdout.splitlines()
    code, peak = measured.split()
    return Run(int(code), "\n".join(said), int(peak) // 1024)


def stored(content: bytes) -> Attachment:
    """As drawn_in wants it; no row has to be there."""
    key = files.storage().save(files.new_key(), File(io.BytesIO(content)))
    return Attachment(key=key, content_type=content_type_of(content[:LOOKED_AT]))


def thumbnail(directory: Path, content: bytes, size: str = "small") -> Image.Image:
    drawn_in(directory, stored(content))
    with Image.open(directory / f"{size}.webp") as image:
        image.load()
        return image


def is_near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(image.convert("RGB").getpixel(at), colour, strict=True))


# --- What is drawn -------------------------------------------------------------------------------------------------

FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip
"""Which sides of the picture the first row and the first column of the file are, as the EXIF standard has it."""

CORNERS = {
    frozenset({"top", "left"}): RED, frozenset({"top", "right"}): GREEN,
    frozenset({"bottom", "left"}): BLUE, frozenset({"bottom", "right"}): WHITE,
}  # fmt: skip
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def four_corners(orientation: int, format_: str) -> bytes:
    """A file of a picture of 60 by 40 pixels, one colour in each corner."""
    row, column = FIRST_ROW_AND_COLUMN[orientation]
    image = Image.new("RGB", (2, 2))
    for y, side in enumerate((row, OPPOSITE[row])):
        for x, other in enumerate((column, OPPOSITE[column])):
            image.putpixel((x, y), CORNERS[frozenset({side, other})])
    exif = Image.Exif()
    exif[drawing.ORIENTATION] = orientation
    size = (60, 40) if orientation < 5 else (40, 60)
    return saved(image.resize(size, Image.Resampling.NEAREST), format_, exif=exif)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
def test_a_picture_is_upright_whichever_way_the_camera_was_held(tmp_path, orientation, format_):
    image = thumbnail(tmp_path, four_corners(orientation, format_))

    assert image.size == (60, 40)
    assert is_near(image, (10, 10), RED)
    assert is_near(image, (50, 10), GREEN)
    assert is_near(image, (10, 30), BLUE)
    assert is_near(image, (50, 30), WHITE)


def with_everything(format_: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    said = {"exif": exif, "icc_profile": SECRET * 20, "xmp": SECRET, "comment": SECRET, "pnginfo": text}
    if format_ == "GIF":
        del said["exif"]
    return saved(corpus.picture(), format_, **said)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_nothing_that_a_picture_says_of_itself_is_in_its_thumbnails(tmp_path, format_):
    content = with_everything(format_)

    drawn_in(tmp_path, stored(content))

    assert SECRET in content
    for size in drawing.SIZES:
        written = (tmp_path / f"{size}.webp").read_bytes()
        assert SECRET not in written
        assert set(chunks_of(written)) <= {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}
        with Image.open(tmp_path / f"{size}.webp") as image:
            assert not {"exif", "icc_profile", "xmp", "comment"} & set(image.info)


def chunks_of(webp: bytes) -> Iterator[bytes]:
    at = 12
    while at < len(webp):
        kind, length = struct.unpack_from("<4sI", webp, at)
        yield kind
        at += 8 + length + length % 2


@pytest.mark.parametrize(
    ("size", "small", "large"),
    [
        ((3000, 1500), (256, 128), (1024, 512)),
        ((900, 1800), (128, 256), (512, 1024)),
        ((600, 300), (256, 128), (600, 300)),
        ((20, 10), (20, 10), (20, 10)),
        ((1, 1), (1, 1), (1, 1)),
        ((1, 20_000), (1, 256), (1, 1024)),
        ((20_000, 3), (256, 1), (1024, 1)),
        ((4097, 4097), (256, 256), (1024, 1024)),
    ],
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_thumbnails_have_the_sizes_that_are_said_and_are_never_enlarged(tmp_path, size, small, large, format_):
    drawn = drawn_in(tmp_path, stored(saved(Image.new("RGB", size, "navy"), format_)))

    assert drawn == [of(tmp_path, "small", small), of(tmp_path, "large", large)]


def of(directory: Path, name: str, size: tuple[int, int]) -> Drawn:
    """What is to be said of a thumbnail of that size; it must have it."""
    path = directory / f"{name}.webp"
    with Image.open(path, formats=["WEBP"]) as image:
        assert image.size == size
    return Drawn(name, *size, path.stat().st_size)


@pytest.mark.parametrize(
    "name",
    [
        "16 bits, grey.png",
        "16 bits, grey, one is transparent.png",
        "16 bits, colours.png",
        "16 bits, colours, one is transparent.png",
    ],
)
def test_sixteen_bits_a_channel_become_eight(tmp_path, name):
    image = thumbnail(tmp_path, FILES[name]())

    top, middle, bottom = (image.getpixel((3, y))[0] for y in (0, 8, 15))
    assert image.mode == "RGB"
    assert top < 40
    assert 100 < middle < 160
    assert bottom > 215


@pytest.mark.parametrize("name", ["16 bits, grey and alpha.png", "16 bits, colours and alpha.png"])
def test_so_does_transparency_of_sixteen_bits(tmp_path, name):
    image = thumbnail(tmp_path, FILES[name]())

    top, middle, bottom = (image.getpixel((3, y))[3] for y in (0, 8, 15))
    assert top < 20
    assert 100 < middle < 160
    assert bottom > 215


@pytest.mark.parametrize("name", ["float.tif", "32 bits.tif", "cmyk.jpg", "cmyk.tif", "grey.jpg", "grey and alpha.png"])
def test_a_gradient_from_black_to_white_is_one_in_whatever_way_it_is_stored(tmp_path, name):
    image = thumbnail(tmp_path, FILES[name]()).convert("RGB")

    shades = [image.getpixel((20, y)) for y in range(image.height)]
    assert max(shades[0]) < 30
    assert min(shades[-1]) > 225
    assert all(max(shade) - min(shade) < 10 for shade in shades)
    assert all(after[0] - before[0] > -10 for before, after in pairwise(shades))


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_printers_colours_become_those_of_a_screen(tmp_path, format_):
    image = Image.new("CMYK", (40, 20), (0, 255, 255, 0))
    image.paste((255, 0, 255, 0), (20, 0, 40, 20))

    drawn = thumbnail(tmp_path, saved(image, format_))

    assert is_near(drawn, (5, 10), RED)
    assert is_near(drawn, (35, 10), GREEN)


def test_what_is_transparent_stays_so(tmp_path):
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (20, 0, 40, 20))

    for number, content in enumerate([saved(image, "PNG"), saved(image, "WEBP"), saved(image, "GIF")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        drawn = thumbnail(directory, content).convert("RGBA")

        assert drawn.getpixel((5, 10))[3] > 240
        assert drawn.getpixel((35, 10))[3] < 15
        assert is_near(drawn, (5, 10), RED)


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png"])
def test_of_an_animation_the_first_picture_is_drawn(tmp_path, name):
    image = thumbnail(tmp_path, FILES[name]())

    assert image.size == (40, 30)
    assert getattr(image, "n_frames", 1) == 1
    assert is_near(image, (20, 15), RED)


def test_of_a_pdf_the_first_page_is_drawn(tmp_path):
    image = thumbnail(tmp_path, page(), "large")

    assert image.size == (1024, 512)
    assert is_near(image, (200, 200), RED)
    assert is_near(image, (900, 200), WHITE)


# --- What is not ---------------------------------------------------------------------------------------------------

BOMBS = [
    "bomb.png", "2 to the power of 31.png", "huge screen.gif", "huge frame.gif", "bomb.jpg", "bomb.tif", "bomb.bmp",
    "run-length bomb.bmp",
]  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, name):
    ended = run(tmp_path, FILES[name]())

    assert ended.code == drawing.NOT_DRAWABLE
    assert "pixels; thumbnails are made of up to 50,000,000" in ended.said
    assert ended.peak < 100


@pytest.mark.parametrize("name", ["text bomb.png", "a thousand text bombs.png", "profile bomb.png", "huge canvas.webp"])
def test_a_bomb_that_is_beside_the_pixels_takes_little_memory_too(tmp_path, name):
    ended = run(tmp_path, FILES[name]())

    assert ended.code == drawing.NOT_DRAWABLE
    assert ended.peak < 200


@pytest.mark.parametrize(
    ("format_", "options", "most"),
    [
        ("WEBP", "lossless=True, method=0, quality=0", 950),
        ("JPEG", "progressive=True, subsampling=0", 500),
        ("PNG", "compress_level=1", 350),
        ("TIFF", "compression='tiff_adobe_deflate', strip_size=2**31 - 1", 500),
    ],
)
def test_fifty_million_pixels_are_drawn_within_the_limits(tmp_path, format_, options, most):
    # Made in a process of its own, for it takes more memory than ours should have.
    mode = "RGB" if format_ == "JPEG" else "RGBA"
    make = f"from PIL import Image; Image.new({mode!r}, (7071, 7071), 'red')"
    subprocess.run([sys.executable, "-c", f"{make}.save('source', {format_!r}, {options})"], cwd=tmp_path, check=True)

    ended = run_on_source(tmp_path, f"image/{format_.lower()}")

    assert ended.code == 0, ended.said
    assert ended.peak < most
    with Image.open(tmp_path / "large.webp") as image:
        assert image.size == (1024, 1024)
        assert is_near(image, (500, 500), RED)


@pytest.mark.parametrize("name", ["bomb.pdf", "draws itself.pdf"])
def test_what_takes_all_memory_gets_no_more_than_the_limit(tmp_path, name):
    ended = run(tmp_path, FILES[name]())

    assert ended.code in thumbnailing.BROKEN
    assert 500 < ended.peak <= drawing.MOST_MEMORY // 2**20


def test_the_limits_are_those_of_the_kernel(tmp_path):
    (tmp_path / "source").write_bytes(FILES["many scans.jpg"]())
    command = [sys.executable, "-I", drawing.__file__, "image/jpeg", "source"]

    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            limits = eventually(lambda: limits_of(process.pid, "Max core file size", "0"))
        finally:
            process.kill()

    assert limits["Max address space"] == str(drawing.MOST_MEMORY)
    assert limits["Max cpu time"] == str(drawing.MOST_CPU_SECONDS)
    assert limits["Max file size"] == str(drawing.MOST_WRITTEN)


def limits_of(pid: int, name: str, value: str) -> dict[str, str]:
    """The soft ones, once that one is so."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:].split()[0] for line in lines}
    return limits if limits[name] == value and limits["Max cpu time"] != "unlimited" else {}


def test_drawing_that_takes_too_long_is_ended(tmp_path, settings):
    settings.ATTACHMENT_LEASE_SECONDS = 5

    with pytest.raises(NotDrawableError, match=r"^drawing it takes longer than 2 s$"):
        drawn_in(tmp_path, stored(FILES["many scans.jpg"]()))

    assert not children(drawing.__file__)


def test_a_drawing_that_somebody_else_ends_says_nothing_about_the_file(tmp_path):
    with ThreadPoolExecutor() as pool:
        drawn = pool.submit(drawn_in, tmp_path, stored(FILES["many scans.jpg"]()))
        (pid,) = eventually(lambda: children(drawing.__file__))
        os.kill(pid, signal.SIGTERM)

        with pytest.raises(DrawingEndedError, match="signal 15"):
            drawn.result()


@pytest.mark.parametrize("name", [*corpus.ODD, *corpus.REFUSED, *corpus.EITHER])
def test_whatever_the_file_the_program_ends_with_thumbnails_or_a_sentence(tmp_path, settings, name):
    settings.ATTACHMENT_LEASE_SECONDS = 12

    drawn, why_not = drawn_or_not(tmp_path, FILES[name]())

    assert (name not in corpus.ODD) or not why_not
    assert (name not in corpus.REFUSED) or why_not
    if why_not:
        assert 10 < len(why_not) <= 500
        assert why_not.isprintable()
        assert "/" not in why_not
        assert "source" not in why_not
    else:
        assert [each.size for each in drawn] == ["small", "large"]
        assert all(max(each.width, each.height) <= drawing.SIZES[each.size] for each in drawn)


def drawn_or_not(directory: Path, content: bytes) -> tuple[list[Drawn], str]:
    try:
        return drawn_in(directory, stored(content)), ""
    except NotDrawableError as error:
        return [], str(error)


@pytest.mark.parametrize("name", ["html", "svg bomb", "program.exe", "one byte", "every byte", "zip bomb", "gzip bomb"])
def test_what_is_no_picture_is_refused_even_if_it_is_called_one(tmp_path, name):
    (tmp_path / "source").write_bytes(FILES[name]())

    ended = run_on_source(tmp_path, "image/gif")

    assert ended.code == drawing.NOT_DRAWABLE
    assert ended.said == "it begins like a GIF, but is none"


# --- What is left over ---------------------------------------------------------------------------------------------


def test_the_reason_for_a_file_that_is_lost_has_no_path_of_ours(alice, api, settings):
    settings.SCAN_POLICY = "off"
    file = io.BytesIO(jpeg())
    file.name = "photo.jpg"
    made = api(alice).post(f"/api/v1/tasks/{make_task(alice).pk}/attachments/", {"file": file}, format="multipart")
    files.storage().delete(Attachment.objects.get().key)

    process()

    thumbnailing_ = api(alice).get(f"/api/v1/attachments/{made.json()['id']}/").json()["thumbnailing"]
    assert thumbnailing_["reason"] == "the storage failed: FileNotFoundError"


def test_what_a_killed_worker_has_left_of_a_drawing_is_cleared(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    for name in ("old.upload", "new.upload"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "source").write_bytes(b"x")
    os.utime(tmp_path / "old.upload", (0, 0))

    assert clear_abandoned() == 1

    assert [path.name for path in tmp_path.iterdir()] == ["new.upload"]
