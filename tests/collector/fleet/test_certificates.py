import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.fleet import certificates
from collector.fleet.certificates import Authority, CertificateError

AnyKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return certificates.create_authority("Test authority")


def request_for(common_names: list[str], key: ec.EllipticCurvePrivateKey) -> bytes:
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(names)
        .add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def public_pem(key: AnyKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def handshake(
    folder: Path, trusted: bytes, server: tuple[bytes, bytes], client: tuple[bytes, bytes], host: str
) -> None:
    """TLS with certificates on both sides, in memory; raises what either side raises."""
    (folder / "ca.pem").write_bytes(trusted)
    contexts = []
    for name, protocol, (certificate, key) in (
        ("server", ssl.PROTOCOL_TLS_SERVER, server),
        ("client", ssl.PROTOCOL_TLS_CLIENT, client),
    ):
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
        context = ssl.SSLContext(protocol)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        context.load_verify_locations(folder / "ca.pem")
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        contexts[0].wrap_bio(to_server, to_client, server_side=True),
        contexts[1].wrap_bio(to_client, to_server, server_hostname=host),
    ]
    for _ in range(4):
        for side in reversed(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for side in sides:
        side.do_handshake()


def new_device(authority: Authority, device: str) -> tuple[bytes, bytes]:
    key = certificates.new_key()
    return certificates.issue_device(authority, certificates.public_key(key), device), key


def new_server(authority: Authority, *hosts: str) -> tuple[bytes, bytes]:
    key = certificates.new_key()
    return certificates.issue_server(authority, certificates.public_key(key), hosts), key


def test_device_and_server_accept_each_other(authority: Authority, tmp_path: Path) -> None:
    server = new_server(authority, "broker.example", "127.0.0.1")
    device = new_device(authority, "trailer-1")
    handshake(tmp_path, authority.certificate, server, device, "127.0.0.1")
    handshake(tmp_path, authority.certificate, server, device, "broker.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname"):
        handshake(tmp_path, authority.certificate, server, device, "elsewhere.example")


def test_a_device_cannot_pose_as_the_broker(authority: Authority, tmp_path: Path) -> None:
    device = new_device(authority, "trailer-1")
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(tmp_path, authority.certificate, device, device, "trailer-1")


def test_the_brokers_certificate_is_no_device(authority: Authority, tmp_path: Path) -> None:
    server = new_server(authority, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(tmp_path, authority.certificate, server, server, "127.0.0.1")


def test_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    server = new_server(authority, "127.0.0.1")
    stranger = new_device(certificates.create_authority("Test authority"), "trailer-1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, authority.certificate, server, stranger, "127.0.0.1")


def test_a_device_cannot_sign_devices(authority: Authority, tmp_path: Path) -> None:
    server = new_server(authority, "127.0.0.1")
    certificate, key = new_device(authority, "trailer-1")
    forged, forged_key = new_device(Authority(certificate, key), "trailer-2")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, authority.certificate, server, (forged + certificate, forged_key), "127.0.0.1")


def test_what_stands_in_a_device_certificate(authority: Authority) -> None:
    key = certificates.public_key(certificates.new_key())
    certificate = x509.load_pem_x509_certificate(
        certificates.issue_device(authority, key, "trailer-1", days=30, now=NOW)
    )
    assert certificate.subject.rfc4514_string() == "CN=trailer-1"
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)
    assert certificate.not_valid_before_utc <= NOW - timedelta(hours=24)
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(uses.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))


def test_the_authority_signs_end_entities_only(authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def test_its_key_stays_out_of_logs(authority: Authority) -> None:
    assert "PRIVATE" not in repr(authority)


def test_a_request_gives_its_key_and_nothing_else(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = certificates.issue_for_request(authority, request_for(["trailer-1"], key), "trailer-1")
    certificate = x509.load_pem_x509_certificate(issued)
    assert certificate.public_key() == key.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca  # it asked to be one


@pytest.mark.parametrize("names", [["trailer-2"], [], ["trailer-1", "trailer-2"]])
def test_a_request_for_another_name_is_refused(authority: Authority, names: list[str]) -> None:
    request = request_for(names, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(CertificateError, match=r"expected \['trailer-1'\]"):
        certificates.issue_for_request(authority, request, "trailer-1")


def test_a_request_without_the_key_is_refused(authority: Authority) -> None:
    asked = x509.load_pem_x509_csr(request_for(["trailer-1"], ec.generate_private_key(ec.SECP256R1())))
    der = bytearray(asked.public_bytes(serialization.Encoding.DER))
    at = der.index(b"trailer-1")
    der[at : at + 9] = b"trailer-9"
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateError, match="does not verify"):
        certificates.issue_for_request(authority, forged, "trailer-9")


@pytest.mark.parametrize("device", ["", "Trailer", "a/b", "a+b", "nightjar.collector", "x" * 41, "trailer-1\n"])
def test_names_that_are_no_device_ids_are_refused(authority: Authority, device: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateError, match="device: got"):
        certificates.issue_device(authority, public_pem(key), device)
    with pytest.raises(CertificateError, match="device: got"):
        certificates.issue_for_request(authority, b"", device)


def test_a_service_name_is_never_a_device_id(authority: Authority) -> None:
    key = certificates.public_key(certificates.new_key())
    certificate = x509.load_pem_x509_certificate(certificates.issue_service(authority, key, "nightjar.collector"))
    assert certificate.subject.rfc4514_string() == "CN=nightjar.collector"
    with pytest.raises(CertificateError, match="service: got 'trailer-1'"):
        certificates.issue_service(authority, key, "trailer-1")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["RSA", "Ed25519", "P-384"],
)
def test_only_p256_keys_are_certified(authority: Authority, key: AnyKey) -> None:
    with pytest.raises(CertificateError, match="P-256"):
        certificates.issue_device(authority, public_pem(key), "trailer-1")


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_unreadable_input_is_named(authority: Authority, pem: bytes) -> None:
    with pytest.raises(CertificateError, match="public key: got no readable"):
        certificates.issue_device(authority, pem, "trailer-1")
    with pytest.raises(CertificateError, match="private key: got no readable"):
        certificates.public_key(pem)
    with pytest.raises(CertificateError, match="request: got no readable"):
        certificates.issue_for_request(authority, pem, "trailer-1")
    good = certificates.public_key(certificates.new_key())
    with pytest.raises(CertificateError, match="authority: got no readable"):
        certificates.issue_device(Authority(pem, authority.key), good, "trailer-1")
    other = Authority(authority.certificate, certificates.new_key())
    with pytest.raises(CertificateError, match="do not belong together"):
        certificates.issue_device(other, good, "trailer-1")


@pytest.mark.parametrize("hosts", [[], [""], ["a b"], ["-x.example"], ["*.example"], ["x" * 64 + ".example"]])
def test_hosts_that_cannot_be_served_are_refused(authority: Authority, hosts: list[str]) -> None:
    key = certificates.public_key(certificates.new_key())
    with pytest.raises(CertificateError, match="hosts: got"):
        certificates.issue_server(authority, key, hosts)


def test_lifetimes_and_names_have_bounds(authority: Authority) -> None:
    key = certificates.public_key(certificates.new_key())
    with pytest.raises(CertificateError, match="days: got 0"):
        certificates.issue_device(authority, key, "trailer-1", days=0)
    with pytest.raises(CertificateError, match="common name: got 65"):
        certificates.create_authority("x" * 65)


def test_a_secret_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(b"older and readable by all")
    path.chmod(0o644)
    certificates.write_private(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "device.key").mkdir()
    with pytest.raises(OSError, match="directory"):
        certificates.write_private(tmp_path / "device.key", b"secret")
    assert [path.name for path in tmp_path.iterdir()] == ["device.key"]
