"""Handing a file out: streamed, in part if a part is wanted, and in a way that no browser runs anything of it."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from attachments.files import StoredFile
from attachments.ranges import wanted_span

CHUNK = 64 * 1024

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",  # asked for again each time, for it may be quarantined meanwhile
    "Accept-Ranges": "bytes",
}


def download(
    request: HttpRequest, *, key: str, size: int, etag: str, content_type: str, name: str, is_inline: bool = False
) -> HttpResponseBase:
    """The answer to a GET or HEAD for a stored file: 200, 206 or 304. UnsatisfiableError for a range beyond it, and
    StorageError before any of it is sent."""
    headers = {
        **SAFE, "ETag": etag,
        "Content-Disposition": content_disposition_header(as_attachment=not is_inline, filename=name) or "attachment",
    }  # fmt: skip
    if is_known(etag, request.headers.get("If-None-Match", "")):
        unchanged = HttpResponse(status=304, headers=headers)
        del unchanged["Content-Type"]  # which Django takes for HTML
        return unchanged
    is_same = request.headers.get("If-Range", etag) == etag
    span = wanted_span(request.headers.get("Range"), size=size) if is_same and request.method == "GET" else None
    headers["Content-Length"] = str(span.length if span else size)
    if span:
        headers["Content-Range"] = span.content_range
    file = StoredFile(key)
    parts: Iterator[bytes] = iter(())
    if request.method == "GET":
        file.seek(span.first if span else 0)
        parts = parts_of(file, span.length if span else size)
    response = StreamingHttpResponse(parts, status=206 if span else 200, content_type=content_type, headers=headers)
    response._resource_closers.append(file.close)  # type: ignore[attr-defined]
    return response


def is_known(etag: str, header: str) -> bool:
    """Whether If-None-Match names it; a proxy that compresses makes a weak one of it, which counts here."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or tags == {"*"}


def parts_of(file: StoredFile, left: int) -> Iterator[bytes]:
    while left > 0 and (part := file.read(min(CHUNK, left))):
        left -= len(part)
        yield part
