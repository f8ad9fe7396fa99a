"""The commands of tools/csms about certificates: those of a station, and what signs them."""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from host.csms_lists import one_of
from host.csms_profiles import CommandError, find_file
from host.csms_show import reason

_KINDS = "central", "maker"
_FOLDER = "certs"


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
                    task = asyncio.ensure_future(self._signed(station, chain, payload))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            return {"status": "Accepted"}

        self.central.answer("SignCertificate", answer)
        self.signs, self.certs = True, self.certs or folder

    async def _signed(self, station, chain, asked):
        try:
            conf = await station.call(*self.dialects[station.language].signed(chain, asked), 60)
            self.show(f"CertificateSigned: {station.id}: {conf.get('status')}{reason(conf)}")
        except Exception as error:  # (nobody waits for it: whatever it is, a line says so)
            self.show(f"CertificateSigned: {station.id}: {error}")

    async def do_renew_certificate(self):
        station = await self.station()
        refused = await self.ask("renew", station=station)
        if refused:
            name = self.dialects[station.language].organization
            self.show(f"it needs its {name}: set-config {name} NAME")
        elif not self.signs:
            self.show("nobody signs it here: sign")
        return refused

    async def do_certificates(self, kind="central"):
        station = await self.station()
        dialect = self.dialects[station.language]
        answer = await self.request(*dialect.installed(one_of(kind, _KINDS)), station)
        self.show(f"GetInstalledCertificateIds: {answer.get('status')}{reason(answer)}")
        self.listed = dialect.hashes(answer)
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

        kind = one_of(kind, _KINDS)
        path = find_file(file, self.folder)
        try:
            one = certs.read(path)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.installed = (*self.installed, one)
        station = await self.station()
        payload = {"certificateType": self.dialects[station.language].certificates[kind]}
        payload["certificate"] = certs.Issued(one, None).pem.decode()
        return await self.ask_plain("InstallCertificate", payload, station)

    async def do_delete_certificate(self, number):
        if not number.isdecimal() or not 1 <= int(number) <= len(self.listed):
            raise CommandError(f"certificates has listed {len(self.listed)}: no number {number}")
        data = self.listed[int(number) - 1]
        return await self.ask_plain("DeleteCertificate", {"certificateHashData": data})
