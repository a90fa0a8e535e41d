"""Draws the thumbnails of one file: `python -I drawing.py <content type> <file>`, in a directory of its own.

A program and no module of the service: a worker starts it (attachments/thumbnailing.py), and whatever a hostile file
does to a decoder, it does here, where memory, processor time and what may be written are limited, and where nothing of
the service's environment is handed on. These are limits, and no sandbox: it runs as the same user.

It writes small.webp and large.webp, and says as JSON what they are:
[{"size": "small", "width": 256, "height": 171, "bytes": 9012}, …]. Where nothing can be drawn it says why in one
sentence, and ends with NOT_DRAWABLE. Any other end is none of the file's doing.
"""

import json
import math
import os
import resource
import sys
import warnings
from typing import Any

NOT_DRAWABLE = 3

SIZES = {"small": 256, "large": 1024}
"""The longer side, in pixels. A picture that is smaller is not enlarged."""

MOST_PIXELS = 50_000_000
MOST_MEMORY = 1024 * 2**20
"""Of addresses. What needs most is a WebP of MOST_PIXELS, of which libwebp and Pillow keep four copies of 200 MB."""
MOST_CPU_SECONDS = 20
MOST_WRITTEN = 8 * 2**20

STRIP_PIXELS = 2**20
ORIENTATION = 0x0112
LARGEST_PAGE = 1e6
"""In points: 350 metres."""

PDF = "application/pdf"
FORMATS = {
    "image/jpeg": "JPEG", "image/png": "PNG", "image/apng": "PNG", "image/gif": "GIF", "image/webp": "WEBP",
    "image/tiff": "TIFF", "image/bmp": "BMP",
}  # fmt: skip


class NotDrawableError(Exception):
    """With the sentence that says why."""


def main(content_type: str, path: str) -> int:
    limit_ourselves()
    try:
        picture = first_page(path) if content_type == PDF else decoded(path, FORMATS[content_type])
        print(json.dumps([drawn(picture, size, longest) for size, longest in SIZES.items()]))
    except NotDrawableError as error:
        print(error)
        return NOT_DRAWABLE
    except MemoryError:
        print(f"drawing it takes more memory than {MOST_MEMORY // 2**20} MB")
        return NOT_DRAWABLE
    return 0


def limit_ourselves() -> None:
    for which, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_FSIZE, MOST_WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))
    # SIGXCPU, which tells what it was; SIGKILL a second later.
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 1))
    os.nice(10)


def decoded(path: str, format_: str) -> Any:
    """The picture, or the first of an animated one, upright and in RGB or RGBA; about as large as it is wanted."""
    from PIL import Image, ImageFile, UnidentifiedImageError  # noqa: PLC0415 (under the limits, and not in the worker)

    Image.MAX_IMAGE_PIXELS = None  # our own limit is asked for below, before anything is decoded
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    try:
        with Image.open(path, formats=[format_]) as file:
            check_pixels(*file.size)
            longest = max(SIZES.values())
            file.draft("RGB", (longest, longest))  # a JPEG is decoded no larger than it has to be
            file.load()
            return upright(reduced(file), orientation_of(file))
    except (NotDrawableError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise NotDrawableError(f"it begins like a {format_}, but is none") from error
    except Exception as error:  # decoders raise whatever they come upon, struct.error and AssertionError among others
        raise NotDrawableError(f"it is not a {format_} that can be decoded: {one_line(error)}") from error


def reduced(picture: Any) -> Any:
    """In RGB or RGBA, and at most about twice as large as the largest thumbnail.

    A strip at a time, since a second copy of the whole would be as large as the first. A new picture, which has
    nothing of the metadata.
    """
    from PIL import Image  # noqa: PLC0415 (as above)

    width, height = picture.size
    by = max(1, max(width, height) // (2 * max(SIZES.values())))
    if is_too_deep(picture):
        picture.info.pop("transparency", None)
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    scale, offset = range_of(picture)
    whole = Image.new("RGBA" if has_alpha else "RGB", (math.ceil(width / by), math.ceil(height / by)))
    rows = by * max(1, STRIP_PIXELS // (width * by))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        whole.paste(in_eight_bits(strip, scale, offset).convert(whole.mode).reduce(by), (0, top // by))
    return whole


def is_too_deep(picture: Any) -> bool:
    """Whether a colour that is to be transparent has sixteen bits: of eight, it would be another, such as black."""
    colour = picture.info.get("transparency")
    return picture.mode[0] in "IF" or (isinstance(colour, tuple) and max(colour) > 255)


def range_of(picture: Any) -> tuple[float, float]:
    """By what values of more than eight bits are multiplied, and what is added then.

    Those of 32 have no range that everybody agrees on, so the darkest that occurs is black, and the brightest white.
    """
    if picture.mode.startswith("I;16"):
        return 1 / 257, 0.0
    if picture.mode not in {"I", "F"}:
        return 1.0, 0.0
    darkest, brightest = picture.getextrema()
    span = brightest - darkest
    scale = 255 / span if 0 < span < math.inf else 1.0
    return scale, -darkest * scale if math.isfinite(darkest) else 0.0


def in_eight_bits(picture: Any, scale: float, offset: float) -> Any:
    if picture.mode.startswith("I"):
        picture = picture.convert("I")
    if picture.mode in {"I", "F"}:
        return picture.point(lambda value: value * scale + offset).convert("L")
    return picture


def orientation_of(picture: Any) -> int:
    """As EXIF has it. A picture is drawn all the same if its EXIF is broken."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # as above
        return 1


def upright(picture: Any, orientation: int) -> Any:
    from PIL import ImageOps  # noqa: PLC0415 (as above)

    picture.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(picture)


def first_page(path: str) -> Any:
    import pypdfium2  # noqa: PLC0415 (as above)

    try:
        document = pypdfium2.PdfDocument(path)
        if not len(document):
            raise NotDrawableError("it has no pages")
        page = document[0]
        width, height = page.get_size()
        if not (0 < width < LARGEST_PAGE and 0 < height < LARGEST_PAGE):
            raise NotDrawableError("its first page has no size that can be drawn")
        scale = max(SIZES.values()) / max(width, height)
        return page.render(scale=scale).to_pil().convert("RGB")
    except (NotDrawableError, MemoryError):
        raise
    except Exception as error:  # as above
        raise NotDrawableError(f"its first page cannot be drawn: {one_line(error)}") from error


def check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise NotDrawableError(f"it has {width} by {height} pixels; thumbnails are made of up to {MOST_PIXELS:,}")


def drawn(picture: Any, size: str, longest: int) -> dict[str, Any]:
    """Write one thumbnail, without any metadata: none is given to it."""
    from PIL import Image  # noqa: PLC0415 (as above)

    thumbnail = Image.new(picture.mode, picture.size)
    thumbnail.paste(picture)
    thumbnail.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
    name = f"{size}.webp"
    thumbnail.save(name, "WEBP", quality=80)
    return {"size": size, "width": thumbnail.width, "height": thumbnail.height, "bytes": os.path.getsize(name)}


def one_line(error: BaseException) -> str:
    """What a decoder says, without characters that a terminal or a database stumbles over."""
    words = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(words.split())[:200] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
