"""The decoder agrees with gunicorn's own, which reads from a socket, on whatever it is given."""

import random

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidChunkSize, NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from tests.webserver.clients import chunked, post
from webserver.chunks import ChunkedDecoder


def by_gunicorn(data: bytes) -> bytes | None:
    whole = post(data, "Transfer-Encoding: chunked")
    try:
        return Request(Config(), IterUnreader([whole]), ("127.0.0.1", 1)).body.read()
    except (ParseException, NoMoreData):
        return None


def by_us(data: bytes, lots: random.Random) -> bytes | None:
    decoder, content = ChunkedDecoder(), b""
    while data and not decoder.is_complete:
        cut = lots.randint(1, len(data))
        try:
            content += decoder.decode(data[:cut])
        except ParseException:
            return None
        data = data[cut:]
    return content if decoder.is_complete else None


def spoiled(data: bytes, lots: random.Random) -> bytes:
    """Mostly with a byte changed, dropped or put in."""
    at = lots.randrange(len(data))
    byte = bytes([lots.choice(b'\r\n 0123456789abcdefgG;="\x00,+-_x')])
    return lots.choice(
        [data, data[:at] + byte + data[at + 1 :], data[:at] + data[at + 1 :], data[:at] + byte + data[at:]]
    )


def test_it_agrees_with_gunicorns_own():
    lots = random.Random(16)
    agreed = 0
    for _ in range(1_500):
        parts = [lots.randbytes(lots.randint(1, 20)) for _ in range(lots.randint(0, 4))]
        data = spoiled(chunked(*parts), lots)

        wanted = by_gunicorn(data)
        assert by_us(data, lots) == wanted, data
        agreed += wanted is not None
    assert 300 < agreed < 1_200


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1;a\r\nx\r\n", b"0000001\r\nx\r\n", b"4;name=value\r\nfour\r\n"])
@pytest.mark.parametrize("before", [b"", b"100000\r\n" + b"x" * 2**20 + b"\r\n"], ids=["at once", "after content"])
def test_much_framing_around_little_content_is_refused(chunk, before):
    """Whoever decodes it is busy with lines, and the limit on content is far away."""
    decoder = ChunkedDecoder()
    decoder.decode(before)

    with pytest.raises(InvalidChunkSize):
        decoder.decode(chunk * (2**16 // len(chunk)))


def test_chunks_of_a_few_bytes_are_taken_in_any_number():
    assert len(ChunkedDecoder().decode(b"3\r\nabc\r\n" * 20_000)) == 60_000
