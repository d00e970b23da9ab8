from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sqlalchemy import select

from collector.domain import DeviceStatus, Link
from collector.errors import ConfigurationError, NotFoundError
from collector.fleet import certificates
from collector.fleet.devices import add_device, load_public_key, reinstate_device, remove_device
from collector.store import queries, tables
from collector.store.database import Store

KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def test_a_public_key_or_a_certificate_will_do(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(KEY))
    assert load_public_key(path) == KEY.public_key()
    authority = certificates.create_authority("Test authority")
    path.write_bytes(certificates.issue_device(authority, pem(KEY), "lpr-1"))
    assert load_public_key(path) == KEY.public_key()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nonsense", "expected a P-256 public key"),
        (b"-----BEGIN CERTIFICATE-----\nnonsense\n", "expected a P-256 public key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "expected a P-256 public key"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "expected a P-256 public key"),
        (certificates.new_key(), "private key, which stays on its device"),
    ],
)
def test_anything_else_is_refused_with_what_is_expected(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        load_public_key(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        load_public_key(tmp_path / "absent.pem")


async def add(store: Store, device: str = "lpr-1", agency: str = "springfield", key: Any = KEY) -> None:
    await add_device(store, device, agency, key.public_key(), who="cli:t", at_ns=1)


async def test_a_device_is_enrolled_and_revoked_for_good(store: Store) -> None:
    await add(store)
    with pytest.raises(ConfigurationError, match="enrolled already"):
        await add(store, key=ec.generate_private_key(ec.SECP256R1()))
    await remove_device(store, "lpr-1", who="cli:t", at_ns=2)
    await remove_device(store, "lpr-1", who="cli:t", at_ns=3)
    with pytest.raises(ConfigurationError, match="never given to another"):
        await add(store, key=ec.generate_private_key(ec.SECP256R1()))
    async with store.read() as tx:
        (device,) = await queries.devices(tx)
        actions = [row.action for row in await tx.execute(select(tables.audit))]
    assert (device.status, device.link) == (DeviceStatus.REVOKED, Link.NEVER_HEARD)
    assert actions == ["device.add", "device.remove"]


async def test_one_that_was_revoked_by_mistake_is_taken_again(store: Store) -> None:
    await add(store)
    await remove_device(store, "lpr-1", who="cli:t", at_ns=2)
    await reinstate_device(store, "lpr-1", who="cli:t", at_ns=3)
    await reinstate_device(store, "lpr-1", who="cli:t", at_ns=4)
    async with store.read() as tx:
        (device,) = await queries.devices(tx)
        actions = [row.action for row in await tx.execute(select(tables.audit))]
    assert device.status is DeviceStatus.ENROLLED
    assert actions == ["device.add", "device.remove", "device.reinstate"]
    with pytest.raises(NotFoundError, match="collector device list"):
        await reinstate_device(store, "lpr-9", who="cli:t", at_ns=5)


async def test_two_devices_never_share_a_key(store: Store) -> None:
    await add(store)
    with pytest.raises(ConfigurationError, match="that of device lpr-1"):
        await add(store, "lpr-2")


@pytest.mark.parametrize(("device", "agency"), [("LPR 1", "a"), ("a/b", "a"), ("", "a"), ("lpr-1", "+")])
async def test_names_must_be_able_to_stand_in_a_topic(store: Store, device: str, agency: str) -> None:
    with pytest.raises(ConfigurationError, match="expected 1 to 40"):
        await add(store, device, agency)


async def test_the_probe_is_enrolled_nowhere(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="begin with nightjar- are for the proof"):
        await add(store, "nightjar-probe")


async def test_a_device_that_does_not_exist_cannot_be_removed(store: Store) -> None:
    with pytest.raises(NotFoundError, match="collector device list"):
        await remove_device(store, "lpr-9", who="cli:t", at_ns=2)
