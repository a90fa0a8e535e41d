"""Bodies in every spelling reach the application whole, or not at all."""

import random
import resource

import pytest

from tests.waiting import eventually
from tests.webserver.application import MOST
from tests.webserver.clients import GET, Server, children, chunked, post

TEXT = b"What there is to do, in a sentence or two."
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "body",
    [
        chunked(TEXT),
        chunked(*[TEXT[n : n + 1] for n in range(len(TEXT))]),
        b"2A\r\n" + TEXT + b"\r\n0\r\n\r\n",
        b'00002a;a=b;c="d e";f\r\n' + TEXT + b"\r\n000\r\n\r\n",
        b"2a ;a\r\n" + TEXT + b"\r\n0\r\nX-Late: trailer\r\nX-Sum: 1\r\n\r\n",
    ],
    ids=["one chunk", "a byte each", "capitals", "zeros and extensions", "trailers"],
)
def test_a_body_in_chunks_arrives_with_its_length(server, body):
    """Trailers, which may come from anybody on the way, are dropped."""
    for at in range(0, len(body), 7):
        with server.connect(post(body[:at], CHUNKED)) as client:
            client.send(body[at:])

            said = client.response().said
            assert said == {
                "REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_LENGTH": str(len(TEXT)),
                "HTTP_TRANSFER_ENCODING": None, "HTTP_X_LATE": None, "body": TEXT.decode(),
            }  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, MOST])
def test_a_body_of_any_size_arrives(server, size):
    body = random.Random(size).randbytes(size)
    parts = [body[at : at + 9_999] for at in range(0, size, 9_999)]

    for content in (post(body, f"Content-Length: {size}"), post(chunked(*parts), CHUNKED)):
        said = server.ask(content).said
        assert said["CONTENT_LENGTH"] == str(size)
        assert said["body"].encode("latin-1") == body


@pytest.mark.parametrize(
    "content",
    [
        post(b"0\r\n\r\n", "Content-Length: 5", CHUNKED),
        post(b"0\r\n\r\n", CHUNKED, "Content-Length: 5"),
        post(b"hello", "Content-Length: 5", "Content-Length: 5"),
        post(b"hello", "Content-Length: 5, 5"),
        post(b"hello", "Content-Length: +5"),
        post(b"hello", "Content-Length: -5"),
        post(b"hello", "Transfer-Encoding: identity"),
        post(b"hello", "Transfer-Encoding: gzip"),
        post(b"0\r\n\r\n", "Transfer-Encoding: chunked, chunked"),
        post(b"0\r\n\r\n", CHUNKED, CHUNKED),
        post(b"0\r\n\r\n", "Transfer-Encoding : chunked"),
        post(chunked(b"zip"), "Transfer-Encoding: gzip, chunked"),
        post(chunked(b"zip"), "Transfer-Encoding: deflate,chunked"),
        post(chunked(b"zip"), "Transfer-Encoding: gzip", CHUNKED),
        post(chunked(b"zip"), "Transfer-Encoding: identity, chunked"),
        post(chunked(b"zip"), "Transfer-Encoding: chunked;q=1"),
        post(b"0\r\n\r\n", CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(b"0x2\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"+2\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b" 2\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"2\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"2\r\nhi0\r\n\r\n", CHUNKED),
        post(b"2\r\nhi\n0\r\n\r\n", CHUNKED),
        post(b"2;a=\rb\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"2;=\r\nhi\r\n0\r\n\r\n", CHUNKED),
        post(b"2" + b";a=b" * 3000, CHUNKED),
        post(b"0\r\n" + b"X-Late: trailer\r\n" * 600, CHUNKED),
        post(b"0\r\nGET / HTTP/1.1\r\n\r\n", CHUNKED),
        post(b"0\r\nContent-Length: 5\r\n\r\n", CHUNKED),
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    ],
)  # fmt: skip
def test_what_two_servers_might_read_differently_is_refused_and_nothing_after_it_is_read(server, content):
    with server.connect(content + GET) as client:
        response = client.response()

        assert (response.status, response.headers["connection"]) in [(400, "close"), (501, "close")]
        assert client.rest() == b""


def test_requests_sent_ahead_are_answered_in_their_order(server):
    ahead = [
        post(b"first", "Content-Length: 5"), post(chunked(b"sec", b"ond"), CHUNKED), GET,
        post(b"x" * 70_000, "Content-Length: 70000"), post(chunked(b"y" * 70_000), CHUNKED), GET,
    ]  # fmt: skip
    with server.connect(b"".join(ahead)) as client:
        bodies = [client.response().said["body"] for _ in ahead]

    assert bodies == ["first", "second", "", "x" * 70_000, "y" * 70_000, ""]


def test_a_client_that_asks_whether_to_go_on_is_told(server):
    with server.connect(post(b"", "Content-Length: 5", "Expect: 100-continue")) as client:
        assert client.response().status == 100
        client.send(b"hello")
        assert client.response().said["body"] == "hello"
        client.send(post(b"hello", "Content-Length: 5", "Expect: 100-continue"))
        assert client.response().status == 200


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server):
    content = post(b"", f"Content-Length: {MOST + 1}", "Expect: 100-continue")
    with server.connect(content) as client:
        response = client.response()

        assert (response.status, response.headers["connection"]) == (413, "close")
        assert client.rest() == b""


def test_a_body_in_chunks_is_refused_where_it_becomes_too_long(server):
    with server.connect(post(b"", CHUNKED)) as client:
        client.send(chunked(*[b"x" * 100_000] * 10)[: -len(b"0\r\n\r\n")])
        client.send(b"1\r\nx\r\n")

        assert client.response().status == 413


def test_without_room_on_the_disk_short_bodies_are_taken_and_long_ones_refused_with_503(hasty):
    """Until there is room again."""
    long = post(b"x" * 200_000, "Content-Length: 200000")
    with hasty.connect(post(b"x" * 250_000, "Content-Length: 260000")) as other:
        assert hasty.ask(long).status == 503
        assert hasty.ask(post(b"hello", "Content-Length: 5")).said["body"] == "hello"
        other.send(b"x" * 10_000)
        assert other.response().status == 200
    eventually(lambda: hasty.ask(long).status == 200)


def test_a_body_that_cannot_be_written_when_it_is_closed_costs_its_request_alone(directory):
    """Its last bytes are in a buffer, which closing the file writes. A limit on the size of files fails writes as a
    full disk does. There is room for one connection, so the next one closes it."""
    long = post(b"x" * 200_000, "Content-Length: 200000")
    with Server(directory, SPOOL_BYTES="300000", CONNECTIONS="1") as server:
        (worker,) = [int(pid) for pid in children(server.process.pid)]
        for _ in range(5):
            with server.connect(long[:100_000]) as client:
                eventually(lambda client=client: has_received_all(server, client), every=0.01)
                client.send(b"x" * 100)
                eventually(lambda client=client: has_received_all(server, client), every=0.01)
                unlimited = resource.prlimit(worker, resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
                assert server.ask(GET).status == 200
                resource.prlimit(worker, resource.RLIMIT_FSIZE, unlimited)

        assert server.ask(long).status == 200
        assert children(server.process.pid) == [str(worker)]
        assert "Traceback" not in server.log.read_text()


def has_received_all(server, client) -> bool:
    ports = f":{server.port:04X}", f":{client.socket.getsockname()[1]:04X}"
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file]
    (queues,) = [line[4] for line in lines if line[1].endswith(ports[0]) and line[2].endswith(ports[1])]
    return queues.endswith(":00000000")


def test_a_response_that_is_shorter_than_it_said_ends_its_connection(server):
    with server.connect(b"GET /too-short HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert client.rest().endswith(b"\r\n\r\nshort")


def test_a_head_without_an_end_is_refused(server):
    with server.connect(b"GET / HTTP/1.1\r\n" + b"X-Long: yes\r\n" * 6000) as client:
        assert client.response().status == 431


def test_much_framing_around_little_content_is_refused(server):
    with server.connect(post(b"1;a\r\nx\r\n" * 3_500, CHUNKED)) as client:
        assert client.response().status == 400
        assert client.age < 10
