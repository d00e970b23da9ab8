"""The device's key: made once, readable by its owner alone, and refused when it is not what it should be."""

import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from edge_agent.errors import ConfigurationError
from edge_agent.provisioning import device_key
from edge_wire import cose


def test_a_generated_key_loads_again_and_signs(tmp_path):
    path = tmp_path / "device.key"
    made = device_key.generate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = device_key.load(path)
    assert loaded.public_pem() == made.public_pem()
    envelope = cose.parse(loaded.sign(b"payload", b"aad"))
    cose.verify(envelope, made.public_key, b"aad")
    assert envelope.kid == cose.key_id(made.public_key)


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "device.key"
    device_key.generate(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        device_key.generate(path)
    assert path.read_bytes() == before


def test_no_folder_to_write_to(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        device_key.generate(tmp_path / "absent" / "device.key")


def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "device.key"
    device_key.generate(path)
    os.chmod(path, 0o640)
    with pytest.raises(ConfigurationError, match=r"0640, expected 0600; run: chmod 600"):
        device_key.load(path)


def pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "unencrypted PEM"),
        (b"not a key", "unencrypted PEM"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "expected a P-256 key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "expected a P-256 key"),
        (
            pem(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"secret")),
            "unencrypted PEM",
        ),
    ],
    ids=["empty", "text", "ed25519", "p384", "encrypted"],
)
def test_what_is_no_p256_key_is_refused(tmp_path, content, words):
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=words):
        device_key.load(path)


def test_an_absent_key_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"device\.key: device key: No such file"):
        device_key.load(tmp_path / "device.key")
