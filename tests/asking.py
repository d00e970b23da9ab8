"""Asking a running collector, as a program with a token does."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from chain import Chain


def fetch(chain: Chain, token: str, path: str) -> tuple[bytes, str]:
    """Return the answer's bytes and media type.

    Raises:
        urllib.error.HTTPError: it is refused or not there.
    """
    request = urllib.request.Request(f"{chain.url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), answer.headers.get_content_type()


def ask(chain: Chain, token: str, path: str) -> Any:
    """Return the answer, which is JSON."""
    return json.loads(fetch(chain, token, path)[0])
