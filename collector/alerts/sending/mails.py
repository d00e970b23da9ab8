"""Notices by e-mail: the alert's number, its severity and a link, over TLS or not at all.

``smtplib`` blocks, so each e-mail has one of a few threads for as long as it takes; they are this carrier's own, so
that a mail server that hangs holds up nobody else. Owned by the event loop that sends notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from collector.alerts.sending.carriers import CarryError, reason_of
from collector.alerts.sending.content import mail
from collector.alerts.sending.records import EMAIL, Message, target
from edge_wire.clock import Clock

_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class MailServer:
    """How to reach the server that takes e-mails.

    Attributes:
        host: as its certificate has it.
        port: TCP.
        starttls: TLS begins when both have greeted each other; else with the connection.
        tls: verifies the server.
        sender: from whom e-mails come.
        user: whom to log in as; None for nobody.
        password: that user's.
        timeout_s: so long one e-mail may take.
    """

    host: str
    port: int
    starttls: bool
    tls: ssl.SSLContext
    sender: str
    user: str | None
    password: str = field(repr=False)
    timeout_s: float


class MailCarrier:
    """Hands notices to a mail server.

    Args:
        server: which.
        addresses: to whom there may be notices.
        page: the operators' page.
        store_id: tells our e-mails from those of another collector.
        clock: our clocks.
    """

    def __init__(
        self, server: MailServer, addresses: Collection[str], page: str, store_id: bytes, clock: Clock
    ) -> None:
        self.targets = frozenset(target(EMAIL, one) for one in addresses)
        self.at_once = _AT_ONCE
        self._server = server
        self._page = page
        self._store_id = store_id
        self._clock = clock
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mail")

    async def carry(self, message: Message) -> None:
        """Hand one notice to the mail server; see ``Carrier``."""
        connection = _Connection(self._server)
        handing = asyncio.get_running_loop().run_in_executor(self._threads, connection.send, self._written(message))
        # Nobody may be waiting for it any more when it fails.
        handing.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(self._server.timeout_s):
                await asyncio.shield(handing)
        except TimeoutError as error:
            raise CarryError(f"mail {self._server.host}: not taken within {self._server.timeout_s:g} s") from error
        finally:
            # A server that says a byte now and then would hold the thread for as long as it likes.
            connection.break_off()

    def _written(self, message: Message) -> EmailMessage:
        subject, text = mail(message, self._page)
        written = EmailMessage()
        written["From"] = self._server.sender
        written["To"] = message.notice.target.removeprefix(target(EMAIL, ""))
        written["Subject"] = subject
        written["Date"] = format_datetime(datetime.fromtimestamp(self._clock.utc_ns() // 1_000_000_000, UTC))
        # The same however often it is sent: mailboxes show it once.
        domain = self._server.sender.rpartition("@")[2]
        written["Message-ID"] = f"<notice-{message.notice.id}.{self._store_id.hex()}@{domain}>"
        written["Auto-Submitted"] = "auto-generated"
        written.set_content(text)
        return written

    async def close(self) -> None:
        """Let go of the threads; connections were broken off with whoever waited for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Connection:
    """One connection for one e-mail; ``break_off`` may come from another thread."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._client: smtplib.SMTP | None = None
        self._over = False

    def send(self, written: EmailMessage) -> None:
        """Send it.

        Raises:
            CarryError: the server did not take it.
        """
        server = self._server
        try:
            with self._opened() as client:
                if server.starttls:
                    client.starttls(context=server.tls)
                if server.user is not None:
                    client.login(server.user, server.password)
                client.send_message(written)
        except smtplib.SMTPResponseException as error:
            # Not its text: a server may repeat whom it was for.
            raise CarryError(f"mail {server.host}: got {error.smtp_code}, expected that it takes the e-mail") from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise CarryError(f"mail {server.host}: got {codes}, expected that it takes the recipient") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise CarryError(f"mail {server.host}: {reason_of(error)}") from error

    def _opened(self) -> smtplib.SMTP:
        server = self._server
        client = (
            smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
            if server.starttls
            else smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_s, context=server.tls)
        )
        with self._lock:
            self._client = client
            if self._over:
                self._shut()
        return client

    def break_off(self) -> None:
        """End the connection, if it is still there: whoever waits for the server gets an error."""
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        opened = None if self._client is None else self._client.sock
        if opened is not None:
            with contextlib.suppress(OSError):
                # Not TLS's own shutdown, which would change what the other thread is using.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)
