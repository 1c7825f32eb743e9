"""The laptop's own certificate authority and the server certificate that it signs, made at first start."""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.config import Cloud

_LIFETIME: Final = timedelta(days=397)
_RENEW: Final = timedelta(days=30)


def server_context(cloud: Cloud, hosts: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Give the TLS context of the server; makes authority, certificate and bundle where they are missing or old.

    `hosts` are further names that the certificate is for (`*` allowed as the first label).
    """
    folder = cloud.local_dir / "azureml" / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "server.pem", folder / "server-key.pem"
    names = ("localhost", *hosts)
    if not (cloud.ca_file.exists() and key.exists() and _still_good(certificate, names)):
        _issue(cloud.ca_file, certificate, key, names)
    bundle = Path(certifi.where()).read_text() + "\n" + cloud.ca_file.read_text()
    if not cloud.ca_bundle.exists() or cloud.ca_bundle.read_text() != bundle:
        _write(cloud.ca_bundle, bundle.encode(), 0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _still_good(path: Path, names: tuple[str, ...]) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fresh = certificate.not_valid_after_utc - datetime.now(UTC) > _RENEW
    return fresh and set(names) <= set(held.get_values_for_type(x509.DNSName))


def _issue(authority: Path, certificate: Path, key: Path, names: tuple[str, ...]) -> None:
    now = datetime.now(UTC)
    # The authority's key lives only in this function: nobody can sign anything else with it later.
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Laptop cloud {x509.random_serial_number():x}"[:40])])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    alternatives = [*(x509.DNSName(host) for host in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        _builder(name, ca_name, server_key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, private, 0o600)
    _write(certificate, server.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(authority, ca.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write whole or not at all: another process may read the file meanwhile."""
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
