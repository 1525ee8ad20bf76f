"""Certificates for the tests of signing: an authority of their own, and leaves that it issues."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Studio"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def key_usage(*, authority: bool) -> x509.KeyUsage:
    flags = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    never = dict.fromkeys((*flags, "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **never)


@dataclass(frozen=True)
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, name: str, key: Any = None, *, purpose: bool = True, days: int = 30, alone: bool = False) -> Path:
        """NAME.pem with the chain, and NAME.key; without a purpose it may not sign, `alone` it is its own issuer."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = begin(named(name), named(name) if alone else self.certificate.subject, key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(key_usage(authority=False), True)
        if not alone:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(issuer, False)
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True)
        leaf = builder.sign(key if alone else self.key, hashes.SHA256())
        chain = [leaf] if alone else [leaf, self.certificate]
        path = self.folder / f"{name}.pem"
        path.write_bytes(b"".join(part.public_bytes(Encoding.PEM) for part in chain))
        path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        path.with_suffix(".locked").write_bytes(locked)
        return path


def begin(subject: x509.Name, issuer: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(NOW - 90 * DAY).not_valid_after(NOW + days * DAY)


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = begin(named("Root"), named("Root"), key.public_key(), 60)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    builder = builder.add_extension(key_usage(authority=True), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return Authority(folder, key, builder.sign(key, hashes.SHA256()))
