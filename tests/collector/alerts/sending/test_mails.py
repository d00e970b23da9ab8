"""E-mails, taken by a real server: STARTTLS, or TLS from the first byte."""

import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from tls_receiver import Authority

from collector.alerts.sending.carriers import CarryError, tls_of
from collector.alerts.sending.mails import MailCarrier, MailServer
from collector.alerts.sending.records import Message

ADDRESS = "duty@pd.example"
PASSWORD = "correct horse"


class Postbox:
    """What the server has taken."""

    def __init__(self) -> None:
        self.came: queue.Queue[tuple[list[str], EmailMessage]] = queue.Queue()
        self.refuse = ""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802  # aiosmtpd's name
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.came.put((envelope.rcpt_tos, parsed))
        return "250 OK"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(postbox: Postbox, authority: Authority, *, starttls: bool = True, login: bool = False) -> Iterator[int]:
    """A mail server's port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("localhost"))

    def authenticate(*arguments: Any) -> AuthResult:
        shown = arguments[4]
        assert isinstance(shown, LoginPassword)
        return AuthResult(success=(shown.login, shown.password) == (b"rtcc", PASSWORD.encode()), handled=False)

    asking = {"authenticator": authenticate, "auth_required": True} if login else {}
    tls = {"tls_context": context, "require_starttls": True} if starttls else {"ssl_context": context}
    port = _free_port()
    controller = Controller(postbox, hostname="127.0.0.1", port=port, **tls, **asking)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def carrier(port: int, ca: Path, clock: Any, **more: Any) -> MailCarrier:
    asked = {
        "host": "localhost",
        "port": port,
        "starttls": True,
        "tls": tls_of("routing.mail", ca),
        "sender": "rtcc@pd.example",
        "user": None,
        "password": "",
        "timeout_s": 10.0,
    }
    return MailCarrier(MailServer(**(asked | more)), [ADDRESS], "https://rtcc.example", bytes(16), clock)


@pytest.fixture
def mailing(message: Message) -> Message:
    return replace(message, notice=replace(message.notice, target=f"email:{ADDRESS}"))


@pytest.mark.parametrize("starttls", [True, False], ids=["starttls", "tls"])
async def test_an_e_mail_says_number_severity_and_link(
    authority: Authority, postbox: Postbox, mailing: Message, clock: Any, starttls: bool
) -> None:
    with serving(postbox, authority, starttls=starttls) as port:
        by = carrier(port, authority.file, clock, starttls=starttls)
        await by.carry(mailing)
        await by.carry(mailing)
        await by.close()
    (to, came), (_, again) = postbox.came.get(timeout=5), postbox.came.get(timeout=5)
    assert to == [ADDRESS]
    assert came["Subject"] == "Nightjar alert 5: high"
    assert came.get_content().replace("\r\n", "\n").splitlines() == [
        "Nightjar alert 5: high",
        "NOT CONFIRMED by this e-mail: look at the alert before anybody acts on it.",
        "https://rtcc.example/#alert=5",
    ]
    assert (came["From"], came["To"], came["Auto-Submitted"]) == ("rtcc@pd.example", ADDRESS, "auto-generated")
    # Mailboxes show what is sent twice once.
    assert came["Message-ID"] == again["Message-ID"] == f"<notice-12.{'00' * 16}@pd.example>"
    assert "7ABC123" not in came.as_string()
    assert "stolen" not in came.as_string()


async def test_it_logs_in(authority: Authority, postbox: Postbox, mailing: Message, clock: Any) -> None:
    with serving(postbox, authority, login=True) as port:
        by = carrier(port, authority.file, clock, user="rtcc", password=PASSWORD)
        await by.carry(mailing)
        await by.close()
        wrong = carrier(port, authority.file, clock, user="rtcc", password="wrong horse")
        with pytest.raises(CarryError, match="mail localhost: got 535") as caught:
            await wrong.carry(mailing)
        await wrong.close()
    assert "horse" not in str(caught.value)
    assert "horse" not in repr(by._server)
    assert postbox.came.qsize() == 1


async def test_a_server_of_another_authority_gets_nothing(
    authority: Authority, postbox: Postbox, mailing: Message, clock: Any, tmp_path: Path
) -> None:
    with serving(postbox, authority) as port:
        by = carrier(port, Authority(tmp_path).file, clock)
        with pytest.raises(CarryError, match="mail localhost: TLS: "):
            await by.carry(mailing)
        await by.close()
    assert postbox.came.empty()


async def test_nothing_is_sent_without_tls(
    postbox: Postbox, authority: Authority, mailing: Message, clock: Any
) -> None:
    port = _free_port()
    plain = Controller(postbox, hostname="127.0.0.1", port=port)
    plain.start()
    try:
        by = carrier(port, authority.file, clock)
        with pytest.raises(CarryError, match="SMTPNotSupportedError"):
            await by.carry(mailing)
        await by.close()
    finally:
        plain.stop()
    assert postbox.came.empty()


async def test_a_recipient_that_is_refused_is_not_repeated(
    authority: Authority, postbox: Postbox, mailing: Message, clock: Any
) -> None:
    postbox.refuse = f"550 no such mailbox: {ADDRESS}"
    with serving(postbox, authority) as port:
        by = carrier(port, authority.file, clock)
        with pytest.raises(CarryError) as caught:
            await by.carry(mailing)
        await by.close()
    assert str(caught.value) == "mail localhost: got [550], expected that it takes the recipient"


async def test_a_server_that_hangs_is_left(authority: Authority, mailing: Message, clock: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        by = carrier(silent.getsockname()[1], authority.file, clock, timeout_s=0.3)
        with pytest.raises(CarryError, match="mail localhost: "):
            await by.carry(mailing)
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b""  # it has hung up
        await by.close()
    assert threading.active_count() < 20
