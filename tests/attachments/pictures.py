"""Pictures and a PDF, drawn when they are needed."""

import io

from PIL import Image


def jpeg(width: int = 1600, height: int = 1200) -> bytes:
    """A gradient, as a camera might have taken one."""
    return saved(Image.linear_gradient("L").resize((width, height)).convert("RGB"), "JPEG")


def pdf() -> bytes:
    """A page with something on it."""
    return saved(Image.linear_gradient("L").resize((595, 842)).convert("RGB"), "PDF")


def saved(picture: Image.Image, format_: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_)
    return file.getvalue()
