"""The device's own key: vouches for each epoch's key, and for nothing else.

It signs a few times a day, so it may live where signing is slow (a TPM signs twice a second). Here it lives in a PEM
file that only its owner may read. The private key never leaves this module's objects, in text or in logs.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import ConfigurationError
from edge_wire import cose


class DeviceKey(Protocol):
    """Signs with the key that the collector knows this device by."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The P-256 key that the collector was given."""
        ...

    def sign(self, payload: bytes, aad: bytes) -> bytes:
        """Return the COSE_Sign1 envelope over ``payload`` with ``aad`` as external data."""
        ...


class FileDeviceKey:
    """A device key in an unencrypted PKCS #8 PEM file with mode 0600."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The P-256 key that the collector was given."""
        return self._private_key.public_key()

    def sign(self, payload: bytes, aad: bytes) -> bytes:
        """Return the COSE_Sign1 envelope over ``payload`` with ``aad`` as external data."""
        return cose.sign(payload, self._private_key, aad)

    def public_pem(self) -> bytes:
        """The public key as PEM SubjectPublicKeyInfo: what ``collector device add`` takes."""
        return self.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load(path: Path) -> FileDeviceKey:
    """Read a device key.

    Raises:
        ConfigurationError: there is no such file, others may read it, or it holds no P-256 private key.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: device key: {error.strerror}; expected a PEM file") from error
    if mode & 0o077:
        raise ConfigurationError(f"{path}: device key: got mode {mode:04o}, expected 0600; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: device key: expected an unencrypted PEM private key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError(f"{path}: device key: got {type(key).__name__}, expected a P-256 key")
    return FileDeviceKey(key)


def generate(path: Path) -> FileDeviceKey:
    """Make a new device key in a new file with mode 0600, on disk before this returns.

    Raises:
        ConfigurationError: something stands at ``path`` already (a key is never overwritten), or it cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigurationError(f"{path}: device key: a file is there already; it is never overwritten") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: device key: cannot be written: {error.strerror}") from error
    return FileDeviceKey(key)
