"""An X.509 certificate authority for the link between devices, broker and API.

Purpose: whoever connects is who the certificate says. A device's certificate carries its id as common name, which
the broker takes as user name and client id; a server's carries the names and addresses it answers on.

Invariants:
    * Every key is P-256. The authority signs end entities only (path length 0) and is good for nothing else.
    * A certificate has one use: ``clientAuth`` or ``serverAuth``, so no device can pose as the broker, nor the
      broker's certificate as a device.
    * From a signing request only the public key is taken. Names, uses and times are ours, whatever it asks for.
    * Common names of devices and of services are two disjoint sets: a device id has no dot, a service has one.

All functions are pure, from PEM bytes to PEM bytes, except ``write_private``. Any thread may call them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.errors import ConfigurationError
from edge_wire.errors import TopicError
from edge_wire.topics import check_name

AUTHORITY_DAYS = 3650
"""Lifetime of an authority: as long as a trailer is expected to serve."""

CERTIFICATE_DAYS = 397
"""Lifetime of what it issues: the bound that the CA/Browser Forum set for servers in 2020, here for devices too."""

_BACKDATED = timedelta(days=1)
"""A device without a battery-backed clock may run hours behind when it first connects."""

_SERVICE = re.compile(r"nightjar\.[a-z0-9-]{1,40}\Z")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\Z"
)


class CertificateError(ConfigurationError):
    """What was handed in cannot be certified. The text says which input, what was there and what was expected."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority.

    Attributes:
        certificate: PEM; what both sides trust.
        key: PEM (PKCS #8, not encrypted). Secret: whoever has it can be any device.
    """

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Leave the key out: representations end in logs."""
        return "Authority(key=…)"


def new_key() -> bytes:
    """Return a fresh P-256 private key as PEM (PKCS #8, not encrypted)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(key: bytes) -> bytes:
    """Return the public half of the private key ``key`` as PEM (SubjectPublicKeyInfo).

    Raises:
        CertificateError: it is no P-256 private key in PEM.
    """
    return (
        _private(key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def create_authority(name: str, *, days: int = AUTHORITY_DAYS, now: datetime | None = None) -> Authority:
    """Return a new, self-signed authority.

    Args:
        name: its common name, for people.
        days: how long it is valid.
        now: the moment of issue, with a time zone; the clock's when absent.

    Raises:
        CertificateError: the name is empty or longer than X.509's 64 characters, or ``days`` is not positive.
    """
    key = new_key()
    private = _private(key)
    subject = _name(name)
    certificate = (
        _builder(subject, private.public_key(), days, now)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    return Authority(certificate.public_bytes(serialization.Encoding.PEM), key)


def issue_server(
    authority: Authority,
    public_key: bytes,
    hosts: Sequence[str],
    *,
    days: int = CERTIFICATE_DAYS,
    now: datetime | None = None,
) -> bytes:
    """Return a certificate for a broker or an API, as PEM.

    Args:
        authority: who signs.
        public_key: the server's, PEM.
        hosts: the DNS names and IP addresses that clients connect to; the first is the common name too.
        days: how long it is valid.
        now: the moment of issue, with a time zone; the clock's when absent.

    Raises:
        CertificateError: a host is neither a DNS name nor an address, there is none, or the key is no P-256 key.
    """
    if not hosts:
        raise CertificateError("hosts: got none, expected at least one DNS name or IP address")
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    subject = _name(hosts[0][:64])
    return _issue(authority, subject, _public(public_key), ExtendedKeyUsageOID.SERVER_AUTH, days, now, names)


def issue_device(
    authority: Authority,
    public_key: bytes,
    device: str,
    *,
    days: int = CERTIFICATE_DAYS,
    now: datetime | None = None,
) -> bytes:
    """Return the certificate with which ``device`` connects to the broker, as PEM.

    Args:
        authority: who signs.
        public_key: the device's, PEM; the private half stays where it was made.
        device: its id, which becomes the common name.
        days: how long it is valid.
        now: the moment of issue, with a time zone; the clock's when absent.

    Raises:
        CertificateError: the id does not follow the protocol, or the key is no P-256 key.
    """
    subject = _name(_device(device))
    return _issue(authority, subject, _public(public_key), ExtendedKeyUsageOID.CLIENT_AUTH, days, now)


def issue_for_request(
    authority: Authority,
    request: bytes,
    device: str,
    *,
    days: int = CERTIFICATE_DAYS,
    now: datetime | None = None,
) -> bytes:
    """Return the certificate that a device asks for with a PKCS #10 request, as PEM.

    Args:
        authority: who signs.
        request: PEM; its signature proves that the asker holds the key. Whatever else it asks for is ignored.
        device: the id that was claimed; the request's common name must be the same.
        days: how long it is valid.
        now: the moment of issue, with a time zone; the clock's when absent.

    Raises:
        CertificateError: no request, a wrong signature, another name or not exactly one, or no P-256 key.
    """
    _device(device)
    try:
        asked = x509.load_pem_x509_csr(request)
        signed = asked.is_signature_valid
        names = [str(name.value) for name in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        key = asked.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"request: got no readable PEM signing request ({error})") from error
    if not signed:
        raise CertificateError("request: its signature does not verify; the asker may not hold the key")
    if names != [device]:
        raise CertificateError(f"request: got common name {names}, expected {[device]}")
    return _issue(authority, _name(device), _p256(key), ExtendedKeyUsageOID.CLIENT_AUTH, days, now)


def issue_service(
    authority: Authority,
    public_key: bytes,
    service: str,
    *,
    days: int = CERTIFICATE_DAYS,
    now: datetime | None = None,
) -> bytes:
    """Return the certificate with which a part of the collector connects to the broker, as PEM.

    Args:
        authority: who signs.
        public_key: the service's, PEM.
        service: ``nightjar.`` and a name; the dot keeps it apart from every device id.
        days: how long it is valid.
        now: the moment of issue, with a time zone; the clock's when absent.

    Raises:
        CertificateError: the name has another form, or the key is no P-256 key.
    """
    if not _SERVICE.match(service):
        raise CertificateError(f"service: got {service!r}, expected 'nightjar.' and 1 to 40 of a-z, 0-9 and '-'")
    return _issue(authority, _name(service), _public(public_key), ExtendedKeyUsageOID.CLIENT_AUTH, days, now)


def write_private(path: Path, content: bytes) -> None:
    """Write a secret so that only its owner can read it, and never half of it.

    The file appears under its name with mode 0600 and all of its bytes on disk, or not at all.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _issue(
    authority: Authority,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    use: x509.ObjectIdentifier,
    days: int,
    now: datetime | None,
    alternative_names: x509.SubjectAlternativeName | None = None,
) -> bytes:
    signer = _private(authority.key)
    try:
        issuer = x509.load_pem_x509_certificate(authority.certificate)
    except ValueError as error:
        raise CertificateError(f"authority: got no readable PEM certificate ({error})") from error
    if issuer.public_key() != signer.public_key():
        raise CertificateError("authority: its certificate and its key do not belong together")
    builder = (
        _builder(subject, key, days, now)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int, now: datetime | None
) -> x509.CertificateBuilder:
    if days < 1:
        raise CertificateError(f"days: got {days}, expected at least 1")
    issued = (now or datetime.now(UTC)).astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(issued - _BACKDATED)
        .not_valid_after(issued + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    # An authority signs certificates and revocation lists; everybody else signs handshakes. ECDSA needs no more.
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    if not 1 <= len(common_name) <= 64:
        raise CertificateError(f"common name: got {len(common_name)} characters, expected 1 to 64")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _device(device: str) -> str:
    try:
        return check_name(device, "device")
    except TopicError as error:
        raise CertificateError(str(error)) from error


def _general_name(host: str) -> x509.GeneralName:
    address: IPv4Address | IPv6Address
    try:
        address = ip_address(host)
    except ValueError:
        if not _HOST.match(host):
            raise CertificateError(f"hosts: got {host!r}, expected a DNS name or an IP address") from None
        return x509.DNSName(host)
    return x509.IPAddress(address)


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise CertificateError(f"private key: got no readable, unencrypted PEM key ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError(f"private key: got {type(key).__name__}, expected an EC key on P-256")
    return key


def _public(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"public key: got no readable PEM public key ({error})") from error
    return _p256(key)


def _p256(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError(f"public key: got {type(key).__name__}, expected an EC key on P-256")
    return key
