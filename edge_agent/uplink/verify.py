"""Which messages from the broker are the collector's word to this device on this connection.

The broker is not trusted: it may forge, replay, or deliver what was meant for another device. Whoever forges an ack
deletes evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import ConfigurationError
from edge_wire import codec, cose, topics
from edge_wire.errors import WireError
from edge_wire.messages import Ack, Command, DownBody, Refused, Resend
from edge_wire.topics import Channel

_BODIES: Mapping[Channel, tuple[type[DownBody], ...]] = {
    Channel.ACK: (Ack, Refused, Resend),
    Channel.COMMAND: (Command, Resend),
}
_REMEMBERED = 10_000


class Verifier:
    """Checks messages of one connection.

    Args:
        keys: the collector keys that the device pins, by key id.
        device: this device's id.
        epoch: the epoch that is open.
        connection: the connection's number within it.
    """

    def __init__(
        self, keys: Mapping[bytes, ec.EllipticCurvePublicKey], device: str, epoch: int, connection: int
    ) -> None:
        self._keys = keys
        self._device = device
        self._epoch = epoch
        self._connection = connection
        self._seen: dict[bytes, None] = {}

    def check(self, topic: str, envelope: bytes) -> DownBody:
        """Return what the message says.

        Raises:
            WireError: it is not the collector's word to us, now; ``reason`` says why.
        """
        to = topics.parse(topic)
        allowed = _BODIES.get(to.channel)
        if allowed is None or to.device != self._device:
            raise WireError("other_topic", f"topic: got {topic!r}, expected one of ours")
        signed = cose.parse(envelope)
        key = self._keys.get(signed.kid)
        if key is None:
            raise WireError("unknown_key", f"key: {signed.kid.hex()} is not a pinned collector key")
        cose.verify(signed, key, cose.external_aad(self._device, to.channel))
        message = codec.decode_down(signed.payload)
        header = message.header
        if header.device != self._device:
            raise WireError("other_device", f"header: got device {header.device!r}, expected {self._device!r}")
        if (header.epoch, header.connection) != (self._epoch, self._connection):
            raise WireError("other_connection", "header: meant for another connection of ours")
        if not isinstance(message.body, allowed):
            raise WireError("wrong_channel", f"{type(message.body).__name__} does not travel on {to.channel}")
        self._refuse_repetition(envelope)
        return message.body

    def _refuse_repetition(self, envelope: bytes) -> None:
        # A command repeated would send the same files again; an ack repeated after a Resend would settle rows that
        # the collector has just said it does not have. Signatures are random: no two of the collector's are alike.
        digest = hashlib.sha256(envelope).digest()
        if digest in self._seen:
            raise WireError("repeated", "the same bytes came before on this connection")
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]


def load_collector_keys(paths: Sequence[Path]) -> dict[bytes, ec.EllipticCurvePublicKey]:
    """Read pinned collector keys (PEM SubjectPublicKeyInfo) by key id.

    Raises:
        ConfigurationError: there is none, or one is not a P-256 public key.
    """
    if not paths:
        raise ConfigurationError("collector keys: got none, expected at least one: no ack could ever be believed")
    keys: dict[bytes, ec.EllipticCurvePublicKey] = {}
    for path in paths:
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"{path}: collector key: {error.strerror}; expected a PEM file") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigurationError(f"{path}: collector key: expected a PEM public key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigurationError(f"{path}: collector key: got {type(key).__name__}, expected a P-256 key")
        keys[cose.key_id(key)] = key
    return keys
