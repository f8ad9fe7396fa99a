"""Certificates for development: a CA, and what a Central System and a station need of it.

`make(folder)` is behind `tools/csms --make-certs`; the tests issue theirs one by one. EC keys on
P-256, as the security white paper wants them or better. Not for a network that matters: the CA's
key lies unencrypted beside the rest.
"""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAMES = ("localhost", "127.0.0.1", "::1")
DAYS = 365
MARGIN = datetime.timedelta(days=1)  # certificates that end sooner are made anew


class Issued:
    """A certificate with its private key."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @property
    def der(self):
        return self.certificate.public_bytes(form.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(form.Encoding.PEM)

    @property
    def key_der(self):
        return self._key(form.Encoding.DER)

    @property
    def key_pem(self):
        return self._key(form.Encoding.PEM)

    def _key(self, encoding):
        return self.key.private_bytes(encoding, form.PrivateFormat.PKCS8, form.NoEncryption())


def issue(name, issuer=None, hosts=(), days=(-1, DAYS), usage=None, key=None, ca=None):
    """A certificate of commonName `name`, signed by `issuer` (Issued); without one it signs
    itself.

    hosts: DNS names and addresses it is for; days: from and to, counted from now; key: its
    private key, EC if not said; ca: may it sign others? (Who signs itself, if not said.)
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    ca = not issuer if ca is None else ca
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pilotwire development"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    builder = _builder(subject, key.public_key(), issuer, days, ca, usage)
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def answer(request, ca, days=(-1, DAYS), usage=ExtendedKeyUsageOID.CLIENT_AUTH):
    """The certificate that a station asks for, by a PKCS #10 request in PEM (str), signed by `ca`
    (Issued). ValueError for what is no request, or not signed with its own key."""
    try:
        asked = x509.load_pem_x509_csr(request.encode())
    except ValueError:
        raise ValueError("no request for a certificate (PKCS #10) in PEM") from None
    if not asked.is_signature_valid:
        raise ValueError("the request is not signed with its own key")
    builder = _builder(asked.subject, asked.public_key(), ca, days, False, usage)
    return Issued(builder.sign(ca.key, hashes.SHA256()), None)


def _builder(subject, public_key, issuer, days, ca, usage):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days[0]))
        .not_valid_after(now + datetime.timedelta(days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder


def _general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def issue_server(ca, hosts, days=(-1, DAYS)):
    """A Central System's certificate."""
    return issue(hosts[0], ca, hosts, days, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_client(ca, name, days=(-1, DAYS)):
    """A station's certificate; `name`: its serial number or id (A00.FR.511)."""
    return issue(name, ca, (), days, ExtendedKeyUsageOID.CLIENT_AUTH)


def issue_signer(maker, days=(-1, DAYS), key=None):
    """A certificate of who signs releases."""
    return issue("Releases", maker, (), days, ExtendedKeyUsageOID.CODE_SIGNING, key)


def make(folder, hosts=SERVER_NAMES, client="CP1"):
    """Fill `folder`, if it is not filled already: ca.pem, its key ca.key.pem and server.pem
    (certificate and key) for tools/csms, ca.der, client.der and client.key.der for a station; of
    the maker of its firmware maker.der for the station, maker.key.pem to make releases with, and
    signer.pem (certificate and key) to sign updates with. True if they were made. Raises OSError,
    ValueError."""
    folder = Path(folder)
    if _usable(folder, hosts):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    ca = issue("Pilotwire development CA")
    server = issue_server(ca, hosts)
    station = issue_client(ca, client)
    maker = issue("Pilotwire development maker")
    signer = issue_signer(maker)
    for name, data in {
        "ca.pem": ca.pem,
        "ca.key.pem": ca.key_pem,
        "ca.der": ca.der,
        "server.pem": server.pem + server.key_pem,
        "client.der": station.der,
        "client.key.der": station.key_der,
        "maker.der": maker.der,
        "maker.key.pem": maker.key_pem,
        "signer.pem": signer.pem + signer.key_pem,
    }.items():
        path = folder / name
        path.touch(mode=0o600 if "key" in name or b"PRIVATE KEY" in data else 0o644)
        path.write_bytes(data)
    return True


def load_ca(folder):
    """The CA in a folder that make() has filled. Raises OSError, ValueError."""
    folder = Path(folder)
    try:
        key = form.load_pem_private_key((folder / "ca.key.pem").read_bytes(), None)
    except (TypeError, ValueError):
        raise ValueError("ca.key.pem: no private key in PEM, or an encrypted one") from None
    return Issued(read(folder / "ca.pem"), key)


def read(path):
    """The certificate in a file, in PEM (the first) or DER. Raises OSError, ValueError."""
    path = Path(path)
    data = path.read_bytes()
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError:
        raise ValueError(f"{path.name}: no certificate, neither in PEM nor in DER") from None


def _usable(folder, hosts):
    needed = ("ca.pem", "ca.key.pem", "ca.der", "server.pem", "client.der", "client.key.der")
    needed += ("maker.der", "maker.key.pem", "signer.pem")
    if not all((folder / name).is_file() for name in needed):
        return False
    server = read(folder / "server.pem")
    try:
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if not {_general_name(host) for host in hosts} <= set(names):
        return False
    return server.not_valid_after_utc > datetime.datetime.now(datetime.timezone.utc) + MARGIN
