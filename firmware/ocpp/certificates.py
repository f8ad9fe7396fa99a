"""Certificates by messages, for every version: what both languages say of them. Loaded for one
request, or while one is asked for."""

import asyncio
from micropython import const

from firmware import lazy

_SIGN = const("SignCertificate")
_FIELDS = const("issuerNameHash issuerKeyHash serialNumber")


def _profile(unit):  # the one in force
    settings = unit.settings
    return lazy.load("ocpp.security").level(settings.config, settings)


async def install(unit, maker, text):
    """M05: a root of Central Systems, or of a `maker`; with AdditionalRootCertificateCheck one
    that takes the place of another -> see station/certificates.py."""
    certificates = lazy.load("station.certificates")
    if maker:  # (who may install is said by who makes the unit)
        kind, linked = certificates.MAKER, unit.settings.config.update_signed
    else:
        kind, linked = certificates.CENTRAL, unit.settings.fixed.get("root_check", False)
    return await certificates.install(unit.station, kind, text, linked)


async def remove(unit, data):
    """M04: a root, by its certificateHashData; the last of Central Systems stays with TLS, and
    the unit's own certificate always -> see station/certificates.py."""
    certificates = lazy.load("station.certificates")
    if data["hashAlgorithm"] != "SHA256":  # (there is no other one on the unit)
        return certificates.UNKNOWN
    hashes = [data[field] for field in _FIELDS.split(" ")]
    return await certificates.remove(unit.station, hashes, _profile(unit) < 2)


async def listed(maker):
    """M03: the certificateHashData of all roots of a kind."""
    certificates, found = lazy.load("station.certificates"), []
    kind = certificates.MAKER if maker else certificates.CENTRAL
    for hashes in await certificates.listed(kind):
        entry = {"hashAlgorithm": "SHA256"}
        for field, text in zip(_FIELDS.split(" "), hashes):
            entry[field] = text
        found.append(entry)
    return found


async def take(unit, texts):
    """A02: the certificate that was asked for, in `texts`, which is emptied; SecurityProfile 3
    dials with it at once. False: it is not taken, the log says why."""
    outbox, settings = unit.outbox, unit.settings
    on_trial = _profile(unit) == 3
    who = outbox.identity[2], settings.value("operator")
    if await lazy.load("station.certificates").take(unit.station, texts, *who, on_trial):
        return False
    outbox.running.pop(_SIGN, None)
    if on_trial:
        unit.rpc.after = lambda: unit.close("another certificate")
    return True


def sign(outbox, pauses, until_taken=False):
    """Begin to ask for a certificate (SignCertificate), for a new key of the unit, in place of one
    that waits; while one is being asked for no other begins. False: there is no organization to
    name in it.

    pauses: s before each further try, of one that is refused or not answered; until_taken: also of
    one that is accepted, while no certificate comes."""
    operator, before = outbox.settings.value("operator"), outbox.running.get(_SIGN)
    if not operator:
        name = outbox.settings.key("operator")
        outbox.log("SignCertificate: set %s first, the organization of the certificate" % name)
    elif not before or before[0]:  # (it waits, for its certificate or its next try)
        one = outbox.running[_SIGN] = [False, None, None]
        asyncio.create_task(_sign(outbox, one, operator, pauses, until_taken))
    return bool(operator)


async def _sign(outbox, one, operator, pauses, until_taken):
    try:
        csr = await lazy.load("station.certificates").request(outbox.identity[2], operator)
        for pause_s in (0,) + pauses:
            one[0] = pause_s > 0
            while pause_s > 0 and outbox.running.get(_SIGN) is one:
                await asyncio.sleep(1)
                pause_s -= 1
            if outbox.running.get(_SIGN) is not one:
                return  # (it has come; or another one is asked for)
            one[0] = False
            if await _asked(outbox, csr) and not until_taken:
                return
        outbox.log("SignCertificate: given up")
    except Exception as e:  # (no memory, no room on the flash)
        outbox.log("SignCertificate: %r" % e)
    finally:
        if outbox.running.get(_SIGN) is one:
            outbox.running.pop(_SIGN)


async def _asked(outbox, csr):
    # Is it accepted? What a lost connection takes with it is asked again with the next.
    while True:
        while not outbox.station.online:
            await asyncio.sleep(1)
        try:
            conf = await outbox.ask(_SIGN, {"csr": csr})
            break
        except OSError:
            await asyncio.sleep(1)
    done = bool(outbox.message("answered", conf or {})[0])
    if not done:
        outbox.log("SignCertificate: refused, or not answered")
    return done
