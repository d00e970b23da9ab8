"""Enrols and revokes devices. An id is for ever: one that was revoked is never given to another, nor its key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.domain import DeviceStatus
from collector.errors import ConfigurationError, NotFoundError
from collector.fleet.broker_access import RESERVED
from collector.store import audit, devices, feed
from collector.store.database import Store
from collector.store.feed import FeedKind
from edge_wire import cose
from edge_wire.errors import TopicError
from edge_wire.topics import check_name

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def load_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Read a device's public key: PEM, a public key or a certificate, P-256.

    Raises:
        ConfigurationError: the file cannot be read or holds something else.
    """
    expected = "expected a P-256 public key or certificate in PEM"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--public-key {path}: {error.strerror or error}") from error
    if b"PRIVATE KEY" in content:
        raise ConfigurationError(f"--public-key {path}: this is a private key, which stays on its device; {expected}")
    try:
        key = (
            x509.load_pem_x509_certificate(content).public_key()
            if _CERTIFICATE in content
            else serialization.load_pem_public_key(content)
        )
    except ValueError as error:
        raise ConfigurationError(f"--public-key {path}: {error}; {expected}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError(f"--public-key {path}: got {type(key).__name__}, {expected}")
    return key


async def add_device(
    store: Store,
    device: str,
    agency: str,
    key: ec.EllipticCurvePublicKey,
    *,
    who: str,
    at_ns: int,
    site: str | None = None,
) -> None:
    """Enrol a device.

    Args:
        store: where to.
        device: its id, for ever.
        agency: whose it is.
        key: vouches for its epochs.
        who: who does it, for the audit log.
        at_ns: UTC.
        site: where it stands, with others of its agency; None for alone, at a site of its own name.

    Raises:
        ConfigurationError: a name that cannot stand in a topic, an id that is or was in use, another device's key.
        StoreError: nothing was changed.
    """
    site = device if site is None else site
    if device.startswith(RESERVED):
        raise ConfigurationError(
            f"device {device}: ids that begin with {RESERVED} are for the proof at start, and enrolled nowhere"
        )
    _check_names({"device": device, "--agency": agency, "--site": site})
    kid = cose.key_id(key)
    async with store.write() as tx:
        status = await devices.status_of(tx, device)
        if status is DeviceStatus.ENROLLED:
            raise ConfigurationError(f"device {device}: is enrolled already; nothing was changed")
        if status is DeviceStatus.REVOKED:
            raise ConfigurationError(
                f"device {device}: was revoked, and an id is never given to another; choose another id, or "
                f"`collector device reinstate {device}` if it is the same device and was never out of your hands"
            )
        owner = await devices.owner_of(tx, kid)
        if owner is not None:
            raise ConfigurationError(
                f"--public-key: is that of device {owner}; each device makes its own, or nobody can tell them apart"
            )
        await devices.add(tx, device=device, agency=agency, site=site, kid=kid, spki=cose.spki(key), at_ns=at_ns)
        detail = {"agency": agency, "site": site, "kid": kid.hex()}
        await audit.record(tx, who=who, action="device.add", subject=device, detail=detail, at_ns=at_ns)
        await feed.append(tx, FeedKind.DEVICE, device)


async def move_device(store: Store, device: str, site: str, *, who: str, at_ns: int) -> None:
    """Say that a device stands at another site; what it sent before stays where it was. Again changes nothing.

    Raises:
        ConfigurationError: no name of a site.
        NotFoundError: there is no such device.
        StoreError: nothing was changed.
    """
    _check_names({"site": site})
    async with store.write() as tx:
        before = await devices.site_of(tx, device)
        if before is None:
            raise _no_such_device(device)
        if before == site:
            return
        await devices.move(tx, device, site)
        detail = {"from": before, "to": site}
        await audit.record(tx, who=who, action="device.site", subject=device, detail=detail, at_ns=at_ns)
        await feed.append(tx, FeedKind.DEVICE, device)


async def remove_device(store: Store, device: str, *, who: str, at_ns: int) -> None:
    """Revoke a device: what it sends from now on goes to the dead letters. Again changes nothing.

    Raises:
        NotFoundError: there is no such device.
        StoreError: nothing was changed.
    """
    await _set_status(store, device, DeviceStatus.REVOKED, "device.remove", who=who, at_ns=at_ns)


async def reinstate_device(store: Store, device: str, *, who: str, at_ns: int) -> None:
    """Take a device again that was revoked by mistake, with the keys that it had. Again changes nothing.

    What it sent meanwhile waits in the dead letters. A device that was out of its owner's hands is not to be
    reinstated: its key may have been copied.

    Raises:
        NotFoundError: there is no such device.
        StoreError: nothing was changed.
    """
    await _set_status(store, device, DeviceStatus.ENROLLED, "device.reinstate", who=who, at_ns=at_ns)


async def _set_status(store: Store, device: str, status: DeviceStatus, action: str, *, who: str, at_ns: int) -> None:
    async with store.write() as tx:
        before = await devices.status_of(tx, device)
        if before is None:
            raise _no_such_device(device)
        if before is status:
            return
        await (devices.revoke if status is DeviceStatus.REVOKED else devices.reinstate)(tx, device)
        await audit.record(tx, who=who, action=action, subject=device, detail={}, at_ns=at_ns)
        await feed.append(tx, FeedKind.DEVICE, device)


def _check_names(names: Mapping[str, str]) -> None:
    try:
        for what, name in names.items():
            check_name(name, what)
    except TopicError as error:
        raise ConfigurationError(str(error)) from error


def _no_such_device(device: str) -> NotFoundError:
    return NotFoundError(f"device {device}: there is no such device; `collector device list` names them")
