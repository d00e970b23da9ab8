"""The key that signs acknowledgements and commands: made at the first start, it never leaves the collector.

Devices pin its public half (``collector_keys`` in their configuration): whoever can forge an acknowledgement can make
devices delete what nobody has stored.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.errors import ConfigurationError
from collector.fleet import certificates


def public_path(path: Path) -> Path:
    """Where the public half of the key at ``path`` lies."""
    return path.with_suffix(".pub.pem")


def load_or_make(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the signing key, or make one where there is none; its public half is written beside it either way.

    Raises:
        ConfigurationError: it cannot be read or written, others may read it, or it is no P-256 key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            certificates.write_private(path, certificates.new_key())
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: signing key: {error.strerror or error}") from error
    if mode & 0o077:
        raise ConfigurationError(f"{path}: signing key: got mode {mode:04o}, expected 0600; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path}: signing key: expected an unencrypted PEM private key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError(f"{path}: signing key: got {type(key).__name__}, expected a P-256 key")
    public = certificates.public_key(pem)
    beside = public_path(path)
    try:
        if not beside.exists() or beside.read_bytes() != public:
            beside.write_bytes(public)
    except OSError as error:
        raise ConfigurationError(f"{beside}: public half of the signing key: {error.strerror or error}") from error
    return key
