"""Notices by HTTPS: signed, verified, never redirected.

A notice counts as delivered by a status of 2xx and nothing else. What the receiver says beyond that is not read.
Owned by the event loop that sends notices.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx

from collector.alerts.sending.carriers import CarryError, reason_of
from collector.alerts.sending.content import Allowance, body
from collector.alerts.sending.records import WEBHOOK, Message, target
from collector.alerts.sending.signing import HEADER_NOTICE, HEADER_SIGNATURE, HEADER_TIMESTAMP, signature
from edge_wire.clock import Clock

_AT_ONCE = 4


class WebhookCarrier:
    """Posts notices to one receiver.

    Args:
        name: of the webhook.
        url: where to; ``https`` only.
        secret: signs.
        tls: verifies the receiver, and shows our certificate if it has one.
        allowance: what the receiver may be told.
        page: the operators' page.
        timeout_s: so long one request may take, all told.
        clock: our clocks.
    """

    def __init__(
        self,
        name: str,
        url: str,
        secret: bytes,
        tls: ssl.SSLContext,
        allowance: Allowance,
        page: str,
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self.targets = frozenset({target(WEBHOOK, name)})
        self.at_once = _AT_ONCE
        self._where = f"webhook {name}"
        self._url = url
        self._secret = secret
        self._allowance = allowance
        self._page = page
        self._timeout_s = timeout_s
        self._clock = clock
        # Neither proxies nor credentials out of the environment: what leaves is what the configuration says.
        self._client = httpx.AsyncClient(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=_AT_ONCE),
            headers={"User-Agent": "Nightjar", "Content-Type": "application/json"},
        )

    async def carry(self, message: Message) -> None:
        """Post one notice; see ``Carrier``."""
        content = body(message, self._allowance, self._page)
        timestamp = str(self._clock.utc_ns() // 1_000_000_000)
        headers = {
            HEADER_NOTICE: str(message.notice.id),
            HEADER_TIMESTAMP: timestamp,
            HEADER_SIGNATURE: signature(self._secret, timestamp, content),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=content, headers=headers) as answer,
            ):
                if not answer.is_success:
                    raise CarryError(f"{self._where}: got status {answer.status_code}, expected 2xx")
        except TimeoutError as error:
            raise CarryError(f"{self._where}: no answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, OSError) as error:
            # TLS 1.3 refuses a client's certificate only after the handshake, and httpx lets that error through. Its
            # own errors may name the address with whatever token stands in it.
            raise CarryError(f"{self._where}: {reason_of(error)}") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()
