"""From bytes on a topic to a verdict: whose they are, whether they are genuine, whether anybody can use them.

Pure: keys come in, a verdict comes out, nothing is remembered. Three verdicts, as the protocol has them:

    Accepted     verified, a message that we understand
    DeadLetter   verified, but unusable: an unknown kind, bad fields, the wrong stream; it has an identity to ack
    Refused      unverifiable: it has no identity that anybody could trust, only the digest of its bytes

and beside them Live: verified presence and health, which are not sequenced and never acked.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from collector.domain import Identity
from collector.ingest.received import Received
from edge_wire import codec, cose, topics
from edge_wire.codec import UpMessage
from edge_wire.errors import DecodeError, SignatureError, TopicError, WireError
from edge_wire.messages import Header, Health, Open, Presence, Stream
from edge_wire.topics import Channel, Topic

_STREAM_OF = {Channel.DETECTION: Stream.DETECTION, Channel.MEDIA: Stream.MEDIA, Channel.REPORT: Stream.REPORT}
_parse_topic = functools.lru_cache(maxsize=10_000)(topics.parse)
_UNSEQUENCED = {Channel.HEALTH: Health, Channel.PRESENCE: Presence}


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key that vouches for something of one device.

    Attributes:
        public_key: P-256.
        epoch: the one epoch that it signs; None for a device key, which opens epochs.
    """

    public_key: ec.EllipticCurvePublicKey
    epoch: int | None


Keys = Mapping[tuple[str, bytes], VerifyingKey]
"""The known keys by device and key id."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A verified row that we understand."""

    received: Received
    topic: Topic
    identity: Identity
    message: UpMessage
    digest: bytes


@dataclass(frozen=True, slots=True)
class Live:
    """Verified presence or health."""

    received: Received
    topic: Topic
    header: Header
    body: Presence | Health


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A verified message that nobody can use."""

    received: Received
    topic: Topic
    identity: Identity
    digest: bytes
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that cannot be verified; ``topic`` is None when not even that is one of ours."""

    received: Received
    topic: Topic | None
    digest: bytes
    reason: str
    detail: str


Outcome = Accepted | DeadLetter | Refused | Live

NO_SUCH_KEY = "unknown_key"
"""The reason when nobody knows the key (yet): an Open of the same batch may bring it."""


def signer(received: Received) -> tuple[str, bytes] | None:
    """Return which device and key ``received`` names, None where it is too broken to name one."""
    try:
        return _parse_topic(received.topic).device, cose.parse(received.payload).kid
    except WireError:
        return None


def judge(received: Received, keys: Keys) -> Outcome:
    """Return the verdict over one publish."""
    digest = received.digest
    topic: Topic | None = None
    try:
        topic = _parse_topic(received.topic)
        if topic.channel.direction is not topics.Direction.UP:
            raise TopicError("bad_topic", f"topic: {topic} does not come from a device")
        payload, key = _verify(received.payload, topic, keys)
        header, message = _decode(payload)
    except WireError as error:
        return Refused(received, topic, digest, error.reason, str(error))
    if key.epoch is not None and key.epoch != header.epoch:
        detail = f"{topic}: signed by the key of epoch {key.epoch}, claims epoch {header.epoch}"
        return Refused(received, topic, digest, "wrong_epoch", detail)
    if topic.channel in _UNSEQUENCED:
        return _judge_unsequenced(received, topic, digest, message)
    return _judge_sequenced(received, topic, digest, header, message, key)


def _verify(envelope: bytes, topic: Topic, keys: Keys) -> tuple[bytes, VerifyingKey]:
    parsed = cose.parse(envelope)
    key = keys.get((topic.device, parsed.kid))
    if key is None:
        raise SignatureError(NO_SUCH_KEY, f"{topic.device}: no key {parsed.kid.hex()}, or its epoch is not open yet")
    cose.verify(parsed, key.public_key, cose.external_aad(topic.device, topic.channel))
    return parsed.payload, key


def _decode(payload: bytes) -> tuple[Header, UpMessage | DecodeError]:
    """Return the header, and the message or what is wrong with the rest of it.

    Raises:
        DecodeError: even the header cannot be read.
    """
    try:
        message = codec.decode_up(payload)
    except DecodeError as error:
        return codec.decode_header(payload), error
    return message.header, message


def _judge_sequenced(
    received: Received,
    topic: Topic,
    digest: bytes,
    header: Header,
    message: UpMessage | DecodeError,
    key: VerifyingKey,
) -> Outcome:
    if header.stream is None or header.sequence is None:
        return Refused(received, topic, digest, "no_identity", f"{topic}: stream or sequence is missing")
    identity = Identity(topic.device, header.epoch, header.stream, header.sequence)
    if isinstance(message, DecodeError):
        if key.epoch is None:
            # Only an Open may come under the device key, and this is none that we can read.
            return Refused(received, topic, digest, message.reason, str(message))
        return DeadLetter(received, topic, identity, digest, message.reason, str(message))
    if isinstance(message.body, Open) != (key.epoch is None):
        detail = f"{topic}: {type(message.body).__name__} is signed by the wrong one of the device's keys"
        return Refused(received, topic, digest, "wrong_key", detail)
    if isinstance(message.body, Open):
        try:
            cose.load_spki(message.body.public_key)
        except SignatureError as error:
            return DeadLetter(received, topic, identity, digest, error.reason, str(error))
    if header.stream != _STREAM_OF[topic.channel]:
        detail = f"{topic}: a row of stream {header.stream.name.lower()} does not belong on this channel"
        return DeadLetter(received, topic, identity, digest, "wrong_channel", detail)
    return Accepted(received, topic, identity, message, digest)


def _judge_unsequenced(
    received: Received, topic: Topic, digest: bytes, message: UpMessage | DecodeError
) -> Live | Refused:
    if isinstance(message, DecodeError):
        return Refused(received, topic, digest, message.reason, str(message))
    body = message.body
    if not isinstance(body, (Presence, Health)) or not isinstance(body, _UNSEQUENCED[topic.channel]):
        detail = f"{topic}: {type(message.body).__name__} does not belong on this channel"
        return Refused(received, topic, digest, "wrong_channel", detail)
    return Live(received, topic, message.header, body)
