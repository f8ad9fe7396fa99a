"""The commands of tools/csms about certificates: those of a station, and what signs them."""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from host.csms_lists import one_of
from host.csms_profiles import CommandError, find_file

_KINDS = {"central": "CentralSystemRootCertificate", "maker": "ManufacturerRootCertificate"}
_FOLDER = "certs"


def certificate_type(kind):
    return _KINDS[one_of(kind, tuple(_KINDS))]


def _is_of(certificate, data):
    """Whether CertificateHashData is of that certificate: its issuer and its number say so."""
    name = certificate.issuer.public_bytes()
    try:
        digest = hashlib.new(data["hashAlgorithm"].lower(), name).hexdigest()
        number = int(data["serialNumber"], 16)
    except ValueError:
        return False
    return digest == data["issuerNameHash"].lower() and number == certificate.serial_number


class Certificates:
    """A part of csms_requests.Requests."""

    listed = ()  # CertificateHashData of the latest `certificates`
    signs = False  # do_sign() has said by which CA
    certs = None  # the folder of --make-certs
    installed = ()  # certificates that were sent, as cryptography has them

    async def do_sign(self, folder=_FOLDER):
        from host import certs

        try:
            made = certs.make(folder)
            ca = certs.load_ca(folder)
        except (OSError, ValueError) as error:
            raise CommandError(f"{folder}: {error}") from None
        self.show(f"SignCertificate is answered, by the CA in {folder}" + ", made anew" * made)
        tasks = set()

        def answer(payload):
            try:
                chain = certs.answer(payload["csr"], ca).pem.decode()
            except ValueError as error:
                self.show(f"SignCertificate: {error}")
                return {"status": "Rejected"}
            for station in self.central.stations.values():
                if station.received("SignCertificate")[-1:] == [payload]:
                    task = asyncio.ensure_future(self._signed(station, chain))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            return {"status": "Accepted"}

        self.central.answer("SignCertificate", answer)
        self.signs, self.certs = True, self.certs or folder

    async def _signed(self, station, chain):
        try:
            conf = await station.call("CertificateSigned", {"certificateChain": chain}, 60)
            self.show(f"CertificateSigned: {station.id}: {conf.get('status')}")
        except Exception as error:  # (nobody waits for it: whatever it is, a line says so)
            self.show(f"CertificateSigned: {station.id}: {error}")

    async def do_renew_certificate(self):
        payload = {"requestedMessage": "SignChargePointCertificate"}
        refused = await self.ask("ExtendedTriggerMessage", payload)
        if refused:
            self.show("it needs its CpoName: set-config CpoName NAME")
        elif not self.signs:
            self.show("nobody signs it here: sign")
        return refused

    async def do_certificates(self, kind="central"):
        payload = {"certificateType": certificate_type(kind)}
        answer = await self.request("GetInstalledCertificateIds", payload)
        self.show(f"GetInstalledCertificateIds: {answer.get('status')}")
        self.listed = answer.get("certificateHashData", [])
        for number, data in enumerate(self.listed, 1):
            hashes = " ".join(data[name][:16] for name in ("issuerNameHash", "issuerKeyHash"))
            subject = self._subject(data)
            self.show(f"{number}  {hashes}  serial number {data['serialNumber']}{subject}")

    def _subject(self, data):
        # (the station tells hashes only: whose they are is known of those that are known here)
        from host import certs

        known = list(self.installed)
        for path in sorted(Path(self.certs).glob("*.der")) if self.certs else ():
            with contextlib.suppress(OSError, ValueError):  # (of a key, for instance)
                known.append(certs.read(path))
        for one in known:
            if _is_of(one, data):
                return f"  {one.subject.rfc4514_string()}"
        return ""

    async def do_install_certificate(self, file, kind):
        from host import certs

        payload = {"certificateType": certificate_type(kind)}
        path = find_file(file, self.folder)
        try:
            one = certs.read(path)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.installed = (*self.installed, one)
        payload["certificate"] = certs.Issued(one, None).pem.decode()
        return await self.ask("InstallCertificate", payload)

    async def do_delete_certificate(self, number):
        if not number.isdecimal() or not 1 <= int(number) <= len(self.listed):
            raise CommandError(f"certificates has listed {len(self.listed)}: no number {number}")
        data = self.listed[int(number) - 1]
        return await self.ask("DeleteCertificate", {"certificateHashData": data})
