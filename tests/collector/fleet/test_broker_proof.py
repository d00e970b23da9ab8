"""What is concluded from what was delivered; that a real broker delivers it is tested in tests/integration."""

import dataclasses
import json

import pytest

from collector.fleet import broker_access
from collector.fleet.broker_proof import NOBODY, SHARED_CANARIES, Seen, Trial, refusal, too_wide
from edge_wire.topics import Channel, Direction

TRIAL = Trial("nightjar-probe", "proof-1")
HEARD = (
    *(Seen(TRIAL.own_up, TRIAL.numbered(number), (TRIAL.shared,)) for number in range(SHARED_CANARIES)),
    Seen(TRIAL.last_up, TRIAL.canary),
)
ANSWERED = (Seen(TRIAL.own_down, TRIAL.canary, (TRIAL.allowed,)),)


def test_what_a_device_may_do_is_not_held_against_it() -> None:
    assert too_wide(TRIAL, ANSWERED, HEARD) == ()


def test_its_own_down_through_another_filter_tells_it_nothing_new() -> None:
    """A broker that grants every subscription and filters the delivery keeps everybody's secrets."""
    assert too_wide(TRIAL, [Seen(TRIAL.own_down, TRIAL.canary, (TRIAL.allowed, "#"))], HEARD) == ()


@pytest.mark.parametrize(
    ("topic", "through", "said"),
    [
        (TRIAL.others_down[0], ("#",), f"it may receive {TRIAL.others_down[0]}, which is not its own, through '#'"),
        (TRIAL.own_up, (), "it may receive nightjar/v1/+/+/up/proof, which is not its own, through one of its subs"),
        ("nightjar/v1/pd/trailer-7/up/detection", ("#", "+/+"), "receive nightjar/v1/+/+/up/detection, which is not"),
        ("$SYS/broker/version", ("$SYS/#",), "receive $SYS/broker/version"),
        (broker_access.RESPONSE_TOPIC, (), "it may publish to $CONTROL/dynamic-security/v1"),
    ],
)
def test_what_it_received_beside_its_own_is_named(topic: str, through: tuple[str, ...], said: str) -> None:
    [right] = too_wide(TRIAL, [*ANSWERED, Seen(topic, b"", through)], HEARD)
    assert said in right


def test_a_right_is_named_once_however_often_it_showed() -> None:
    reads = [Seen(f"nightjar/v1/pd/trailer-{number}/up/detection", b"", ("#",)) for number in range(1_000)]
    assert len(too_wide(TRIAL, reads, HEARD)) == 1


def test_what_it_forged_is_named() -> None:
    forged = f"nightjar/v1/proof-1/{NOBODY}/up/presence"
    [right] = too_wide(TRIAL, ANSWERED, [*HEARD, Seen(forged, TRIAL.canary)])
    assert right == f"it may publish to {forged}, in another device's name"
    own, payload = TRIAL.forgeries[-2]
    [right] = too_wide(TRIAL, [*ANSWERED, Seen(own, payload, (TRIAL.allowed,))], HEARD)
    assert "in the collector's name" in right


def test_what_went_to_it_instead_of_the_collector_is_counted() -> None:
    [right] = too_wide(TRIAL, ANSWERED, HEARD[3:])
    assert f"3 of {SHARED_CANARIES} messages went to it" in right
    assert repr(TRIAL.shared) in right


def test_another_trials_canaries_are_not_this_ones() -> None:
    other = dataclasses.replace(TRIAL, token="proof-2")
    seen = [Seen(other.own_up, other.numbered(number)) for number in range(SHARED_CANARIES)]
    assert "8 of 8" in too_wide(TRIAL, ANSWERED, seen)[0]


def test_everything_forbidden_is_tried_and_nothing_allowed_is() -> None:
    """The probe's own rights are those of its role, and every channel of both directions is tried beside them."""
    state = json.loads(broker_access.render([]))
    [role] = [role for role in state["roles"] if role["rolename"] == TRIAL.probe]
    assert {acl["topic"] for acl in role["acls"] if acl["acltype"] == "subscribePattern"} == {TRIAL.allowed}
    assert TRIAL.allowed not in TRIAL.forbidden_filters
    forged = {topic.rsplit("/", 1)[1] for topic, _ in TRIAL.forgeries if NOBODY in topic}
    assert forged == {channel for channel in Channel if channel.direction is Direction.UP}


def test_the_refusal_says_what_is_expected_and_what_to_do() -> None:
    text = refusal("broker.example:8883", TRIAL.probe, ["it may publish to x", "it may join y"])
    assert text.splitlines()[1:3] == ["  - it may publish to x", "  - it may join y"]
    assert "expected: publish to nightjar/v1/+/nightjar-probe/up/# only" in text
    assert "configs/mosquitto/README.md" in text
