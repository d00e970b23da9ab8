"""Files without which no connection can ever come about are named at the start, with what to do."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.errors import ConfigurationError
from edge_agent.uplink import Uplink, check_files

FIELDS = ["ca_path", "cert_path", "key_path"]


def with_file(settings, field, path):
    return replace(settings, **{field: (path,) if field == "collector_key_paths" else path})


def test_good_files_are_good(site):
    check_files(site.settings)


@pytest.mark.parametrize("field", [*FIELDS, "collector_key_paths"])
@pytest.mark.parametrize("wrong", ["absent", "no PEM"])
def test_the_file_that_is_wrong_is_named(site, field, wrong):
    path = site.tmp_path / "wrong.pem"
    if wrong == "no PEM":
        path.write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError, match=r"wrong\.pem: .*PEM"):
        check_files(with_file(site.settings, field, path))


def test_a_key_with_a_password_is_refused_and_not_asked_about(site):
    path = site.tmp_path / "locked.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ConfigurationError, match=r"locked\.pem: .*unencrypted"):
        check_files(replace(site.settings, key_path=path))


def test_a_certificate_of_another_key_is_refused(site):
    path = site.tmp_path / "other.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(ConfigurationError, match=r"certificate\.pem: does not go with .*other\.pem"):
        check_files(replace(site.settings, key_path=path))


async def test_an_uplink_is_not_made_with_them(site):
    async with site.running():
        with pytest.raises(ConfigurationError, match="absent"):
            Uplink(replace(site.settings, cert_path=site.tmp_path / "absent"), site.outbox, site.clock)
