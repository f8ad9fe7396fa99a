"""OCPP 2.0.1, A02, A03 and M: certificates. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.ocpp.v201.refusal import refused

# The types of roots that there are; the others are of ISO 15118.
_ROOTS = const(("CSMSRootCertificate", "ManufacturerRootCertificate"))
_NEVER = const("there is no ISO 15118 here")


async def InstallCertificate(unit, payload):
    """M05: a root; with AdditionalRootCertificateCheck one that takes the place of another."""
    kind, text = payload["certificateType"], payload.pop("certificate")
    if kind not in _ROOTS:
        return refused("Rejected", "UnsupportedParam", _NEVER)
    done = await lazy.load("ocpp.certificates").install(unit, kind == _ROOTS[1], text)
    if done == 1:
        why = "it is none that can be trusted: the security log says why"
        return refused("Rejected", "InvalidCertificate", why)
    return refused("Failed", "OutOfStorage", "no room for it") if done else {"status": "Accepted"}


async def DeleteCertificate(unit, payload):
    """M04: a root, by its hashes; not the last of CSMSs with TLS, nor the unit's own one."""
    done = await lazy.load("ocpp.certificates").remove(unit, payload["certificateHashData"])
    if done == 2:
        return refused("NotFound", "NotFound", "no such certificate is here")
    why = "it is needed: the last root, or the unit's own"
    return refused("Failed", "Unspecified", why) if done else {"status": "Accepted"}


async def GetInstalledCertificateIds(unit, payload):
    """M03: all roots of some types, or of all."""
    found, certificates = [], lazy.load("ocpp.certificates")
    for kind in _ROOTS:
        if kind in payload.get("certificateType", _ROOTS):
            for data in await certificates.listed(kind == _ROOTS[1]):
                found.append({"certificateType": kind, "certificateHashData": data})
    if not found:
        return refused("NotFound", "NotFound", "there is none of these types")
    return {"status": "Accepted", "certificateHashDataChain": found}


async def CertificateSigned(unit, payload):
    """A02: the certificate that was asked for; SecurityProfile 3 dials with it at once."""
    texts = [payload.pop("certificateChain")]
    if payload.get("certificateType") == "V2GCertificate":
        return refused("Rejected", "UnsupportedParam", _NEVER)
    if await lazy.load("ocpp.certificates").take(unit, texts):
        return {"status": "Accepted"}
    why = "it is not good for this unit's key: the security log says why"
    return refused("Rejected", "InvalidCertificate", why)


def sign(unit):
    """Begin to ask for a certificate, again after a while, each twice as long, as long as none
    comes (A02.FR.17 to 19). False: there is no OrganizationName."""
    value = unit.outbox.settings.value
    pauses = tuple([value("sign_s") << i for i in range(value("sign_tries"))])
    return lazy.load("ocpp.certificates").sign(unit.outbox, pauses, True)
