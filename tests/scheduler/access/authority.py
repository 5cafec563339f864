"""A certificate authority made on the spot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass
class Authority:
    """Signs certificates, and puts them and its own into a folder as PEM files."""

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> str:
        """Its own certificate."""
        found = self.folder / f"{self.name}.pem"
        if not found.exists():
            basic = x509.BasicConstraints(ca=True, path_length=0)
            made = self._begun(self.name, self._key).add_extension(basic, critical=True)
            found.write_bytes(made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        return found.as_posix()

    def signed(self, name: str, also: Sequence[x509.GeneralName] = (), *, days: float = 1.0) -> tuple[str, str]:
        """The files of a new certificate and its key; below 0 days it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([*also, x509.IPAddress(ip_address("127.0.0.1"))])
        made = self._begun(name, key, days).add_extension(names, critical=False).sign(self._key, SHA256())
        certificate, private = (self.folder / f"{self.name}-{name}.{end}" for end in ("pem", "key"))
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate.as_posix(), private.as_posix()

    def _begun(self, name: str, key: ec.EllipticCurvePrivateKey, days: float = 1.0) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            issuer_name=_named(self.name), subject_name=_named(name), public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=2), not_valid_after=now + timedelta(days=days),
        )  # fmt: skip


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
