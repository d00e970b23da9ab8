"""The signature of a webhook: HMAC-SHA256 (RFC 2104) over the time and the body. Pure.

A receiver that holds the same secret knows by it who sent a body, that it is whole, and when; docs/routing.md has the
receiver's half.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER_SIGNATURE = "Nightjar-Signature"
HEADER_TIMESTAMP = "Nightjar-Timestamp"
HEADER_NOTICE = "Nightjar-Notice"
SECRET_BYTES = 32
"""The least length of a secret: as long as what SHA-256 gives (RFC 2104, section 3)."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the value of the signature's header.

    Args:
        secret: shared with the receiver.
        timestamp: what the header of the time says, seconds since 1970.
        body: as it is sent, byte for byte.
    """
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
