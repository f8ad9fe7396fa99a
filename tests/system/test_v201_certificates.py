"""OCPP 2.0.1, A02 and M: certificates by messages. A test is named after its case of the
certification tool: TC_M_01_CS is test_m_01_... What certificates are good, and how a new one is
tried: test_certification_certificates.py, for it is one code."""

import pytest
from station_201 import assert_reason
from test_certification_certificates import OPERATOR, SERIAL, UNIT, hash_data, over_tls, peer

from host import certs
from host.process import WAIT_s

CSMS, MAKER = "CSMSRootCertificate", "ManufacturerRootCertificate"
V2G = "V2GRootCertificate", "MORootCertificate"
SIGN = "SignCertificate"
EVENT = "SecurityEventNotification"


async def ask(b, action, expect, reason, **payload):
    answer = await b.ask(action, expect, **payload)
    if expect != "Accepted":
        assert_reason(answer, reason)
    return answer


async def install(b, one, kind=CSMS, expect="Accepted", reason=None):
    text = one if isinstance(one, str) else one.pem.decode()
    await ask(b, "InstallCertificate", expect, reason, certificateType=kind, certificate=text)


async def listed(b, *kinds):
    """{(type, serial number)} of what is there of these types; of none: of all."""
    payload = {"certificateType": list(kinds)} if kinds else {}
    answer = await b.st.call("GetInstalledCertificateIds", payload)
    chains = answer.get("certificateHashDataChain", [])
    assert answer["status"] == ("Accepted" if chains else "NotFound"), answer
    if not chains:
        assert_reason(answer, "NotFound")
    return {(c["certificateType"], c["certificateHashData"]["serialNumber"]) for c in chains}


def named(kind, one):
    return kind, hash_data(one)["serialNumber"]


async def requested(b):
    """Have the station ask for a certificate, and answer it; -> the request in PEM."""
    since = b.st.mark()
    await b.ask("TriggerMessage", requestedMessage="SignChargingStationCertificate")
    csr = (await b.st.expect(SIGN, None, WAIT_s, since))["csr"]
    await b.settled()
    return csr


async def signed(b, one, expect="Accepted", reason=None, **more):
    text = one if isinstance(one, str) else one.pem.decode()
    await ask(b, "CertificateSigned", expect, reason, certificateChain=text, **more)


# The unit's own


async def test_a_11_and_m_23_update_by_request(bench201, certificates):
    """The next connection comes with it; it is not deleted by its hashes."""
    async with over_tls(bench201, certificates) as b:
        await b.booted()
        await b.set("SecurityCtrlr.OrganizationName", OPERATOR)
        new = certs.answer(await requested(b), certificates.ca)
        before = b.st
        await signed(b, new)
        await b.again(before)
        assert peer(b)[0] == new.certificate.serial_number
        assert peer(b)[1]["commonName"] == SERIAL
        await b.set("SecurityCtrlr.CertSigningWaitMinimum", 1)  # (nothing is waited for any more)
        await b.passed(5)
        assert len(b.st.received(SIGN)) == 1
        own = {
            **hash_data(certificates.ca),
            "serialNumber": f"{new.certificate.serial_number:x}",
        }
        await ask(b, "DeleteCertificate", "Failed", "Unspecified", certificateHashData=own)


async def test_a_12_no_v2g(bench201):
    async with bench201() as b:
        kind = {"certificateType": "V2GCertificate"}
        await signed(b, "x", "Rejected", "UnsupportedParam", **kind)


async def test_a_14_invalid(bench201, certificates):
    """By whom nobody trusts; it is a security event."""
    async with bench201(config=UNIT, certs=certificates.unit()) as b:
        await b.set("SecurityCtrlr.OrganizationName", OPERATOR)
        bad = certs.answer(await requested(b), certificates.roots["other"])
        since = b.st.mark()
        await signed(b, bad, "Rejected", "InvalidCertificate")
        await b.st.expect(
            EVENT, lambda p: p["type"] == "InvalidChargingStationCertificate", WAIT_s, since
        )


@pytest.mark.parametrize("answer", ["Accepted", "Rejected"])
async def test_a_15_and_23_rejected_and_no_certificate_comes(bench201, answer):
    """A02.FR.17 to 19: again after CertSigningWaitMinimum, after twice as long, and so on."""
    async with bench201(config=UNIT) as b:
        asked = {"requestedMessage": "SignChargingStationCertificate"}
        await b.ask("TriggerMessage", "Rejected", "MissingDevModelInfo", **asked)
        times = []

        def answered(payload):
            times.append(b.process)
            return {"status": answer}

        b.cs.answer(SIGN, answered)
        await b.set("SecurityCtrlr.OrganizationName", OPERATOR)
        await b.set("SecurityCtrlr.CertSigningWaitMinimum", 10)
        await b.set("SecurityCtrlr.CertSigningRepeatTimes", 2)
        began = await b.now()
        csr = await requested(b)
        await b.process.wait_output("SignCertificate: given up")
        assert (await b.now() - began).total_seconds() >= 30
        assert [p["csr"] for p in b.st.received(SIGN)] == [csr] * 3 and len(times) == 3
        b.cs.answer(SIGN, None)
        assert await requested(b) != csr


async def test_one_that_is_asked_for_while_another_is_waited_for(bench201, certificates):
    """F06: each trigger is a request, of a new key; the latest is the one that can be answered."""
    async with bench201(config=UNIT, certs=certificates.unit()) as b:
        await b.set("SecurityCtrlr.OrganizationName", OPERATOR)
        first, second = await requested(b), await requested(b)
        assert first != second
        await signed(b, certs.answer(first, certificates.ca), "Rejected", "InvalidCertificate")
        await signed(b, certs.answer(second, certificates.ca))


# Roots


async def test_m_01_to_04_12_to_19_install_and_list(bench201, certificates):
    async with bench201(certs=certificates.unit()) as b:
        ca = named(CSMS, certificates.ca)
        one, two = certs.issue("One"), certs.issue("Two")
        assert await listed(b, MAKER) == set()
        await install(b, one, MAKER)
        await install(b, two)
        for kind in V2G:
            await install(b, two, kind, "Rejected", "UnsupportedParam")
        await b.cut(0.1)
        there = {ca, named(CSMS, two)}
        assert await listed(b, CSMS) == there
        assert await listed(b, MAKER) == {named(MAKER, one)}
        there |= {named(MAKER, one)}
        assert await listed(b) == await listed(b, CSMS, MAKER, *V2G) == there
        assert await listed(b, *V2G, "V2GCertificateChain") == set()


async def test_m_07_and_09_rejected(bench201, certificates):
    """No certificate; one that is not signed by the one whose place it takes (with
    AdditionalRootCertificateCheck)."""
    config = {**UNIT, "root_check": True}
    async with bench201(config=config, certs=certificates.unit()) as b:
        since = b.st.mark()
        for text in ("x", certificates.ca.pem.decode()[:200], certificates.roots["other"]):
            await install(b, text, expect="Rejected", reason="InvalidCertificate")
        await b.st.expect(EVENT, lambda p: p["type"] == "InvalidCsmsCertificate", WAIT_s, since)
        assert await listed(b) == {named(CSMS, certificates.ca)}


async def test_no_room_for_a_root(bench201, certificates):
    """M05: Failed, and what is there stays (as TC_M_05_CSMS has it)."""
    async with bench201(certs=certificates.unit()) as b:
        for number in range(7):  # (with the owner's they are 8)
            await install(b, certs.issue(f"Root {number}"), MAKER)
        there = await listed(b)
        await install(b, certs.issue("One more"), MAKER, "Failed", "OutOfStorage")
        assert len(there) == 8 and await listed(b) == there


async def test_m_20_22_delete(bench201, certificates):
    async with bench201(certs=certificates.unit()) as b:
        one = certs.issue("One")
        await install(b, one, MAKER)
        data = hash_data(one)
        await b.ask("DeleteCertificate", certificateHashData=data)
        for other in (data, {**hash_data(certificates.ca), "hashAlgorithm": "SHA512"}):
            await ask(b, "DeleteCertificate", "NotFound", "NotFound", certificateHashData=other)


async def test_the_last_root_stays_with_tls(bench201, certificates):
    """M04.FR.07."""
    async with over_tls(bench201, certificates, 2, None) as b:
        await b.booted()
        data = hash_data(certificates.ca)
        await ask(b, "DeleteCertificate", "Failed", "Unspecified", certificateHashData=data)
