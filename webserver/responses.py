"""A request's way through the application, as a generator that can be left while the client does not read."""

import io
from collections.abc import Generator
from datetime import datetime
from typing import Any

from gunicorn.http import wsgi

from webserver.connections import ClientGoneError, Connection, Outgoing

REFUSED_WITH = "webserver.refused_with"
"""In the WSGI environment: the status that the application has to answer with, since the body was not read to its
end."""

FILE_STEP_BYTES = 64 * 1024


class FileParts(wsgi.FileWrapper):  # type: ignore[misc]
    """A file of the application, in parts of our size."""

    def __init__(self, filelike: Any, blksize: int = 0) -> None:
        super().__init__(filelike, FILE_STEP_BYTES)


def respond(worker: Any, connection: Connection) -> Generator[None, None, None]:
    """Call the application and send its response. Yields whenever the client has to read before more can be sent. Any
    thread may resume it, one at a time, in the context in which it began. Sets `connection.keeps_alive`."""
    assert connection.request is not None  # noqa: S101 (its head was parsed)
    outgoing = connection.outgoing
    response = None
    try:
        connection.request._expected_100_continue = False  # the poller has answered that
        response, environ = wsgi.create(connection.request, outgoing, connection.client, connection.server, worker.cfg)
        complete(environ, connection)
        if connection.refused_with or not worker.count_request() or not worker.cfg.keepalive:
            response.force_close()
        yield from written(worker, connection, outgoing, response, environ)
        connection.keeps_alive = not response.should_close() and is_whole(response)
    except ClientGoneError:
        pass
    except Exception as error:
        if response is not None and response.headers_sent:
            worker.log.exception("Error handling request")
        else:
            worker.handle_error(connection.request, connection.socket, connection.client, error)


def written(
    worker: Any, connection: Connection, outgoing: Outgoing, response: Any, environ: dict[str, Any]
) -> Generator[None, None, None]:
    began_at = datetime.now()  # noqa: DTZ005 (as gunicorn's log takes it)
    parts = worker.wsgi(environ, response.start_response)
    try:
        for part in parts:
            response.write(part)
            while not outgoing.flush():
                yield
            if response._omits_body:  # the answer to HEAD, 204 or 304: the head is all of it
                break
        response.close()
        while not outgoing.flush():
            yield
    finally:
        worker.log.access(response, connection.request, environ, datetime.now() - began_at)  # noqa: DTZ005
        if hasattr(parts, "close"):
            parts.close()


def complete(environ: dict[str, Any], connection: Connection) -> None:
    """Add the body and its length to the environment: gunicorn's own has a body that is yet to be read."""
    environ["wsgi.multithread"] = True
    environ["wsgi.file_wrapper"] = FileParts
    if connection.refused_with:
        environ[REFUSED_WITH] = connection.refused_with
        environ["wsgi.input"] = io.BytesIO()
    elif connection.body is not None:
        environ["wsgi.input"] = connection.body.file
        environ["CONTENT_LENGTH"] = str(connection.body.size)
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def is_whole(response: Any) -> bool:
    """Whether as much was sent as Content-Length says. If not, the client would wait for the rest."""
    return response._omits_body or response.response_length is None or response.sent >= response.response_length
