"""Certificates of the TLS tests: made once, EC, in a folder of the test session."""

import ssl

from cryptography.hazmat.primitives.asymmetric import rsa

from host import certs

HOST = "csms.example"


class Certificates:
    """A CA that the station trusts and another; certificates of servers and of stations.

    | server | what is wrong with it |
    |---|---|
    | good, host     | nothing: for localhost and 127.0.0.1; for csms.example only |
    | chain, rsa     | nothing: by way of another CA, whose certificate it sends; an RSA key |
    | expired, early | its time |
    | stranger       | signed by another CA |
    | alone          | signed by itself |
    """

    def __init__(self, folder):
        self.folder = folder
        ca, other = certs.issue("Test CA"), certs.issue("Test CA")
        here = ("localhost", "127.0.0.1")
        self.between = certs.issue("Intermediate CA", ca, ca=True)
        key = rsa.generate_private_key(65537, 2048)
        self.servers = {
            "chain": certs.issue_server(self.between, here),
            "rsa": certs.issue("localhost", ca, here, key=key),
            "good": certs.issue_server(ca, here),
            "host": certs.issue_server(ca, (HOST,)),
            "expired": certs.issue_server(ca, here, (-9, -2)),
            "early": certs.issue_server(ca, here, (2, 9)),
            "stranger": certs.issue_server(other, here),
            "alone": certs.issue("localhost", None, here),
        }
        self.clients = {
            "client": certs.issue_client(ca, "CP1"),
            "rsa": certs.issue("CP1", ca, key=key),
            "stranger": certs.issue_client(other, "CP1"),
            "expired": certs.issue_client(ca, "CP1", (-9, -2)),
        }
        self.ca = ca
        self.roots = {"ca": ca, "other": other}

    def context(self, name="good", client=None):
        """The SSLContext of a server. client: ssl.CERT_REQUIRED demands a station's certificate,
        CERT_OPTIONAL takes one."""
        path = self.folder / f"{name}.pem"
        if not path.exists():
            chain = self.between.pem if name == "chain" else b""
            path.write_bytes(self.servers[name].pem + chain + self.servers[name].key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if client is not None:
            context.load_verify_locations(cadata=self.ca.der)
            context.verify_mode = client
        return context

    def unit(self, ca="ca", client=None, key=None):
        """A folder for tools/station --certs. key: of another client than the certificate's."""
        path = self.folder / f"unit-{ca}-{client}-{key}"
        if not path.exists():
            path.mkdir()
            (path / "ca.der").write_bytes(self.roots[ca].der)
            if client:
                (path / "client.der").write_bytes(self.clients[client].der)
                (path / "client.key.der").write_bytes(self.clients[key or client].key_der)
        return path


class Makers:
    """The maker of the unit's firmware, and who signs for it; and others."""

    def __init__(self, folder):
        self.folder = folder
        self.maker, self.other = certs.issue("Maker"), certs.issue("Maker")
        self.signer = certs.issue_signer(self.maker)
        self.rsa = certs.issue_signer(self.maker, key=rsa.generate_private_key(65537, 2048))
        (folder / "maker.der").write_bytes(self.maker.der)
