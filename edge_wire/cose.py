"""COSE_Sign1 (RFC 9052) with ES256 (RFC 9053), as the protocol uses it.

Envelope: ``18([protected, {}, payload, signature])``; protected is ``{1: -7, 4: kid}`` with kid the first 8 bytes of
SHA-256 over the key's SubjectPublicKeyInfo. The external data names direction, device and channel, so that bytes
moved to another topic do not verify. Envelopes are verified as received: nothing here re-encodes them.

No COSE package works with the CBOR library in use, hence this file; its test checks RFC 9052's own example.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edge_wire.errors import DecodeError, SignatureError
from edge_wire.strict import load_strict
from edge_wire.topics import Channel

MAX_ENVELOPE_BYTES = 65_536
_ALG, _KID, _ES256 = 1, 4, -7
_ECDSA = ec.ECDSA(hashes.SHA256())
# Deterministic CBOR leaves an envelope one form: its head, 8 bytes of key id, the empty map, payload, signature.
_HEAD = bytes.fromhex("d2844da201260448")
_EMPTY_MAP, _SIGNATURE_HEAD = 0xA0, bytes.fromhex("5840")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A COSE_Sign1 taken apart, not yet verified."""

    kid: bytes
    protected: bytes
    payload: bytes
    signature: bytes


def spki(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The key as DER SubjectPublicKeyInfo, the form that is stored and hashed."""
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_spki(der: bytes) -> ec.EllipticCurvePublicKey:
    """Read a P-256 key from DER SubjectPublicKeyInfo.

    Raises:
        SignatureError: it is not a P-256 public key.
    """
    try:
        key = serialization.load_der_public_key(der)
    except ValueError as error:
        raise SignatureError("bad_key", f"public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("bad_key", "public key: expected a P-256 key")
    return key


def key_id(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The 8 bytes by which an envelope names its key."""
    return hashlib.sha256(spki(public_key)).digest()[:8]


@functools.lru_cache(maxsize=10_000)
def external_aad(device: str, channel: Channel) -> bytes:
    """The external data that ties a signature to direction, device and channel."""
    return cbor2.dumps(["nightjar/v1", str(channel.direction), device, str(channel)])


def sign(payload: bytes, key: ec.EllipticCurvePrivateKey, aad: bytes) -> bytes:
    """Return the envelope over ``payload``."""
    protected = cbor2.dumps({_ALG: _ES256, _KID: key_id(key.public_key())})
    r, s = decode_dss_signature(key.sign(_signed_bytes(protected, aad, payload), _ECDSA))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def parse(envelope: bytes) -> Envelope:
    """Take an envelope apart, strictly.

    Raises:
        DecodeError: over the size limit, or not the form in the module's docstring.
    """
    return _parse_plain(envelope) or _parse(envelope)


def _parse_plain(envelope: bytes) -> Envelope | None:
    """Take an envelope apart by its one form; None where it takes ``_parse`` to tell what is wrong."""
    if len(envelope) < 19 or envelope[:8] != _HEAD or envelope[16] != _EMPTY_MAP:
        return None
    head = envelope[17]
    if 0x40 <= head < 0x58:
        begins, length = 18, head - 0x40
    elif head == 0x58:
        begins, length = 19, envelope[18]
        if length < 24:
            return None
    elif head == 0x59:
        begins, length = 20, int.from_bytes(envelope[18:20], "big")
        if length < 256:
            return None
    else:
        return None
    ends = begins + length
    if len(envelope) != ends + 66 or len(envelope) > MAX_ENVELOPE_BYTES or envelope[ends : ends + 2] != _SIGNATURE_HEAD:
        return None
    return Envelope(envelope[8:16], envelope[3:16], envelope[begins:ends], envelope[ends + 2 :])


def _parse(envelope: bytes) -> Envelope:
    outer = load_strict(envelope, max_bytes=MAX_ENVELOPE_BYTES, tagged=True)
    if not (isinstance(outer, cbor2.CBORTag) and outer.tag == 18):
        raise DecodeError("bad_envelope", "envelope: expected COSE_Sign1 with tag 18")
    parts = outer.value
    if not (
        isinstance(parts, (list, tuple))
        and len(parts) == 4
        and all(isinstance(parts[i], bytes) for i in (0, 2, 3))
        and parts[1] == {}
        and len(parts[3]) == 64
    ):
        raise DecodeError("bad_envelope", "envelope: expected [protected, {}, payload, 64-byte signature]")
    protected = load_strict(parts[0], max_bytes=64)
    if not (isinstance(protected, dict) and set(protected) == {_ALG, _KID} and protected[_ALG] == _ES256):
        raise DecodeError("bad_envelope", "protected header: expected {1: -7, 4: kid}")
    kid = protected[_KID]
    if not isinstance(kid, bytes) or len(kid) != 8:
        raise DecodeError("bad_envelope", "protected header: kid: expected 8 bytes")
    return Envelope(kid, parts[0], parts[2], parts[3])


def verify(envelope: Envelope, key: ec.EllipticCurvePublicKey, aad: bytes) -> None:
    """Check the signature.

    Raises:
        SignatureError: it is not this key's signature over these bytes on this topic.
    """
    der = encode_dss_signature(
        int.from_bytes(envelope.signature[:32], "big"), int.from_bytes(envelope.signature[32:], "big")
    )
    try:
        key.verify(der, _signed_bytes(envelope.protected, aad, envelope.payload), _ECDSA)
    except InvalidSignature as error:
        raise SignatureError("bad_signature", "signature: does not verify with the named key on this topic") from error


def _signed_bytes(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, aad, payload])
