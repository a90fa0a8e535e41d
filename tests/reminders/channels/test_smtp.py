"""SMTP with what real servers ask for: authentication, TLS, STARTTLS."""

import socket
import ssl
import subprocess
import threading
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from config.env import mail_server
from reminders.channels.base import DeliveryError, TransportError
from reminders.channels.smtp import SmtpSession
from tests.mail_server import BlackHole, MailServer
from tests.reminders.handing import Held

pytestmark = pytest.mark.system("openssl")


class Received:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, signed by itself."""
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def serve(request, certificate, monkeypatch):
    """serve("smtps") starts a server of that kind; returns (what it received, the URL without credentials)."""

    def start(kind: str, *, trusted: bool = True, **options):
        cert, key = certificate
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        received = Received()

        class Server(Controller):
            def factory(self) -> SMTP:
                starttls = {"tls_context": context} if kind == "smtp+tls" else {}
                return SMTP(self.handler, hostname="localhost", **starttls, **options)

            def _trigger_server(self) -> None:
                socket.create_connection(("127.0.0.1", self.server.sockets[0].getsockname()[1]), timeout=5).close()

        server = Server(received, hostname="127.0.0.1", port=0, ssl_context=context if kind == "smtps" else None)
        server.start()
        request.addfinalizer(server.stop)
        port = server.server.sockets[0].getsockname()[1]
        return received, f"localhost:{port}"

    return start


@pytest.mark.parametrize("kind", ["smtp", "smtp+tls", "smtps"])
def test_mail_arrives_over_each_kind_of_url(serve, message, kind):
    received, address = serve(kind)

    with SmtpSession(**mail_server(f"{kind}://{address}")) as session:
        session.send(message, lease=Held())

    assert len(received.mails) == 1


@pytest.mark.parametrize("kind", ["smtp", "smtps", "smtp+tls"])
def test_the_final_dot_does_not_wait_for_the_answer_to_the_text(serve, kind):
    _, address = serve(kind)

    with SmtpSession(**mail_server(f"{kind}://{address}")) as session:
        assert session._smtp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("kind", ["smtp+tls", "smtps"])
def test_a_certificate_that_nobody_vouches_for_is_refused(serve, message, kind):
    received, address = serve(kind, trusted=False)

    with pytest.raises(TransportError, match=r"certificate verify failed|CERTIFICATE"):
        SmtpSession(**mail_server(f"{kind}://{address}")).__enter__()

    assert received.mails == []


def test_a_certificate_for_another_name_is_refused(serve, message):
    _, address = serve("smtps")
    port = address.split(":")[1]

    with pytest.raises(TransportError, match="certificate verify failed"):
        SmtpSession(**mail_server(f"smtps://127.0.0.1:{port}")).__enter__()


def test_starttls_is_required_where_it_was_asked_for(serve, message):
    received, address = serve("smtp")

    with pytest.raises(TransportError, match="STARTTLS"):
        SmtpSession(**mail_server(f"smtp+tls://{address}")).__enter__()

    assert received.mails == []


def test_name_and_password_are_given_decoded(serve, message):
    seen = []

    def check(server, session, envelope, mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    _, address = serve("smtp+tls", authenticator=check, auth_required=True)

    with SmtpSession(**mail_server(f"smtp+tls://alice%40example.org:p%40ss%2Fword@{address}")) as session:
        session.send(message, lease=Held())

    assert seen == [(b"alice@example.org", b"p@ss/word")]


def test_a_wrong_password_is_the_ways_fault_and_not_shown(serve, message):
    _, address = serve(
        "smtp+tls", authenticator=lambda *a: AuthResult(success=False, handled=False), auth_required=True
    )

    with pytest.raises(TransportError, match="535") as failed:
        SmtpSession(**mail_server(f"smtp+tls://alice:s3cret@{address}")).__enter__()

    assert "s3cret" not in str(failed.value)


def test_an_international_domain_is_written_in_ascii(serve, message):
    received, address = serve("smtp")

    with SmtpSession(**mail_server(f"smtp://{address}")) as session:
        session.send(replace(message, to="alice@exämple.org"), lease=Held())

    assert b"To: alice@xn--exmple-cua.org" in received.mails[0]


def test_a_name_beyond_ascii_before_the_at_is_refused_for_good(serve, message):
    _, address = serve("smtp")

    with SmtpSession(**mail_server(f"smtp://{address}")) as session, pytest.raises(DeliveryError) as refused:
        session.send(replace(message, to="älice@example.org"), lease=Held())

    assert refused.value.permanent is True


@pytest.mark.parametrize(
    ("setting", "public_url", "said"),
    [
        ("relay.example.org", "https://tasks.example.org", "relay.example.org"),
        ("", "https://tasks.example.org", "tasks.example.org"),
        ("", "http://localhost:8000", "[127.0.0.1]"),
        ("", "http://192.0.2.7", "[127.0.0.1]"),
        ("[192.0.2.7]", "https://tasks.example.org", "[192.0.2.7]"),
    ],
)
def test_we_say_a_name_that_can_be_one_on_the_internet(settings, setting, public_url, said):
    settings.EMAIL_EHLO_NAME, settings.PUBLIC_URL = setting, public_url
    with MailServer() as server:
        with SmtpSession(**server.settings):
            pass

        assert server.names == [said]


def test_a_silent_server_is_given_up_in_each_phase_after_its_time(settings, message):
    settings.EMAIL_COMMAND_SECONDS = 1
    with MailServer() as server:
        server.hold("RCPT", message.to)
        with (
            SmtpSession(**server.settings) as session,
            pytest.raises(TransportError, match="RCPT TO: no end") as given_up,
        ):
            session.send(message, lease=Held())
        server.release()

    assert (given_up.value.carrying, given_up.value.unknown) == (True, False)


@pytest.mark.parametrize("security", ["", "tls"])
def test_a_server_that_is_silent_from_the_start_is_given_up_after_its_time(settings, security):
    settings.EMAIL_COMMAND_SECONDS = 1
    with BlackHole() as server, pytest.raises(TransportError, match="no end within its time"):
        SmtpSession(**{**server.settings, "security": security}).__enter__()


def test_a_server_that_is_silent_after_starttls_is_given_up_after_its_time(settings):
    settings.EMAIL_COMMAND_SECONDS = 1
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            for answer in (b"220 hello", b"250-mail.example.org\r\n250 STARTTLS", b"220 go on"):
                stream.write(answer + b"\r\n")
                stream.readline()
            stream.read()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    session = SmtpSession(host="127.0.0.1", port=port, security="starttls", user="", password="")
    with listener, pytest.raises(TransportError, match="no end within its time"):
        session.__enter__()
    thread.join(10)
