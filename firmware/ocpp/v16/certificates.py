"""OCPP 1.6's certificates, by the security white paper. Each handler gets requests.Requests."""

import asyncio
from micropython import const

from firmware import lazy

_SIGN = const("SignCertificate")
_TRIES = const(3)  # of a request that is refused, or not answered
_PAUSE_s = const(60)  # and as much more after each
_MAKER = const("ManufacturerRootCertificate")
_FIELDS = const("issuerNameHash issuerKeyHash serialNumber")


def _kind(certificates, payload):
    maker = payload["certificateType"] == _MAKER
    return certificates.MAKER if maker else certificates.CENTRAL


def _profile(unit):  # the one in force
    settings = unit.settings
    return lazy.load("ocpp.security").level(settings.config, settings)


async def InstallCertificate(unit, payload):
    """M05: a root; with AdditionalRootCertificateCheck one that takes the place of another."""
    certificates = lazy.load("station.certificates")
    text, kind = payload.pop("certificate"), _kind(certificates, payload)
    linked = unit.settings.fixed.get("root_check", False)
    if kind == certificates.MAKER:  # (who may install is said by who makes the unit)
        linked = unit.settings.config.update_signed
    done = await certificates.install(unit.station, kind, text, linked)
    return {"status": {0: "Accepted", 1: "Rejected"}.get(done, "Failed")}


async def DeleteCertificate(unit, payload):
    """M04: a root, by its hashes; the last of Central Systems stays with TLS."""
    data = payload["certificateHashData"]
    if data["hashAlgorithm"] != "SHA256":  # (there is no other one on the unit)
        return {"status": "NotFound"}
    hashes = [data[field] for field in _FIELDS.split(" ")]
    certificates = lazy.load("station.certificates")
    done = await certificates.remove(unit.station, hashes, _profile(unit) < 2)
    return {"status": {0: "Accepted", 2: "NotFound"}.get(done, "Failed")}


async def GetInstalledCertificateIds(unit, payload):
    """M03: all roots of a kind."""
    certificates = lazy.load("station.certificates")
    found = []
    for hashes in await certificates.listed(_kind(certificates, payload)):
        entry = {"hashAlgorithm": "SHA256"}
        for field, text in zip(_FIELDS.split(" "), hashes):
            entry[field] = text
        found.append(entry)
    return (
        {"status": "Accepted", "certificateHashData": found} if found else {"status": "NotFound"}
    )


async def CertificateSigned(unit, payload):
    """A02: the certificate that was asked for; SecurityProfile 3 dials with it at once."""
    texts, settings = [payload.pop("certificateChain")], unit.settings
    serial, operator = unit.outbox.identity[2], settings.stored.get("operator", "")
    on_trial = _profile(unit) == 3
    certificates = lazy.load("station.certificates")
    done = await certificates.take(unit.station, texts, serial, operator, on_trial)
    if not done and on_trial:
        unit.rpc.after = lambda: unit.close("another certificate")
    return {"status": "Rejected" if done else "Accepted"}


def sign(unit):
    """Begin to ask for a certificate (SignCertificate), for a new key of the unit: while it is
    being asked for no second one begins. `unit` has the Outbox. False: CpoName is not set."""
    outbox = unit.outbox
    operator = outbox.settings.stored.get("operator")
    if not operator:
        outbox.log("SignCertificate: set CpoName first, the organization of the certificate")
        return False
    if _SIGN not in outbox.running:
        outbox.running[_SIGN] = None
        asyncio.create_task(_sign(outbox, operator))
    return True


async def _sign(outbox, operator):
    # (what a lost connection takes with it is asked again with the next)
    try:
        serial, tries = outbox.identity[2], 0
        csr = await lazy.load("station.certificates").request(serial, operator)
        while tries < _TRIES:
            await asyncio.sleep(tries * _PAUSE_s)
            while not outbox.station.online:
                await asyncio.sleep(1)
            try:
                conf = await outbox.ask(_SIGN, {"csr": csr})
            except OSError:
                await asyncio.sleep(1)
                continue
            status = (conf or {}).get("status")
            if status == "Accepted":
                return
            tries += 1
            outbox.log("SignCertificate: %s" % (status or "refused, or not answered"))
        outbox.log("SignCertificate: given up")
    except Exception as e:  # (no memory, no room on the flash)
        outbox.log("SignCertificate: %r" % e)
    finally:
        outbox.running.pop(_SIGN)
