"""What a quiet stream says; the rest is tested over a socket, in tests/integration."""

import json
from typing import Any

import pytest

from collector.store.users import Role


@pytest.mark.parametrize(("hearing", "said"), [(True, "connected"), (False, "disconnected")])
async def test_a_heartbeat_says_whether_devices_can_be_heard(desk: Any, hearing: bool, said: str) -> None:
    desk.hearing = hearing
    principal = await desk.users.identify(desk.tokens[Role.OPERATOR])
    messages = desk.app.state.streams.follow(principal, 99)
    first = await anext(messages)
    await messages.aclose()
    (beat,) = [json.loads(line.removeprefix("data: ")) for line in first.splitlines() if line.startswith("data: ")]
    assert beat["ingest"] == said
