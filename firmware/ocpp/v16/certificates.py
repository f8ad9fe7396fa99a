"""OCPP 1.6's certificates, by the security white paper. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy

_MAKER = const("ManufacturerRootCertificate")
_PAUSES_s = const((60, 120))  # of a request that is refused, or not answered


async def InstallCertificate(unit, payload):
    """M05: a root; with AdditionalRootCertificateCheck one that takes the place of another."""
    maker, text = payload["certificateType"] == _MAKER, payload.pop("certificate")
    done = await lazy.load("ocpp.certificates").install(unit, maker, text)
    return {"status": {0: "Accepted", 1: "Rejected"}.get(done, "Failed")}


async def DeleteCertificate(unit, payload):
    """M04: a root, by its hashes; the last of Central Systems stays with TLS."""
    done = await lazy.load("ocpp.certificates").remove(unit, payload["certificateHashData"])
    return {"status": {0: "Accepted", 2: "NotFound"}.get(done, "Failed")}


async def GetInstalledCertificateIds(unit, payload):
    """M03: all roots of a kind."""
    found = await lazy.load("ocpp.certificates").listed(payload["certificateType"] == _MAKER)
    return (
        {"status": "Accepted", "certificateHashData": found} if found else {"status": "NotFound"}
    )


async def CertificateSigned(unit, payload):
    """A02: the certificate that was asked for; SecurityProfile 3 dials with it at once."""
    texts = [payload.pop("certificateChain")]
    done = await lazy.load("ocpp.certificates").take(unit, texts)
    return {"status": "Accepted" if done else "Rejected"}


def sign(unit):
    """Begin to ask for a certificate. False: CpoName is not set."""
    return lazy.load("ocpp.certificates").sign(unit.outbox, _PAUSES_s)
