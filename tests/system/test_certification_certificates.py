"""The certification tool's cases for a charge point that concern certificates by messages, and
what goes wrong with them: whole stations, certificates of `cryptography`, real TLS servers. A test
is named after its case: TC_074_CS is test_074_...
"""

import asyncio
import base64
import contextlib
import re
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from file_servers import HttpServer
from station_driver import ESP32_HEAP, ID, share
from test_chip_memory import in_its_stack, large_profiles

from bench.station import CHIP_HEAP
from host import certs
from host.csms import CallError
from host.process import WAIT_s, poll

CENTRAL, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
SERIAL, OPERATOR = "SERIAL-0815", "The electric company"
UNIT = {"serial": SERIAL}
REQUIRED = ssl.CERT_REQUIRED
WORKS = "the new certificate works, the old one is forgotten"
GIVEN_UP = "the old certificate is in force again, for the new one did not work"


def over_tls(bench, certificates, level=3, client=REQUIRED, **options):
    """A bench whose Central System speaks TLS, not started."""
    options.setdefault("config", UNIT)
    if level < 3:
        options["password"] = "first"
    certs = certificates.unit(client="client")
    b = bench(boot=False, certs=certs, **{"security-profile": level}, **options)
    b.cs.ssl = certificates.context("good", client)
    return b


def peer(b):
    """(serial number, subject) of the certificate that the station has shown."""
    shown = b.st._ws.transport.get_extra_info("ssl_object").getpeercert()
    subject = {name: value for rdn in shown["subject"] for name, value in rdn}
    return int(shown["serialNumber"], 16), subject


async def requested(b):
    """Have the station ask for a certificate; -> the request in PEM."""
    b.cs.answer("SignCertificate", lambda payload: {"status": "Accepted"})
    await b.key("CpoName", OPERATOR)
    since = b.st.mark()
    await b.ask("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
    return (await b.st.expect("SignCertificate", None, WAIT_s, since))["csr"]


async def signed(b, expect="Accepted", *chain):
    text = "".join(one if isinstance(one, str) else one.pem.decode() for one in chain)
    await b.ask("CertificateSigned", expect, certificateChain=text)


async def install(b, one, kind=CENTRAL, expect="Accepted"):
    text = one if isinstance(one, str) else one.pem.decode()
    await b.ask("InstallCertificate", expect, certificateType=kind, certificate=text)


def hash_data(one):
    """CertificateHashData of a root, by the OCSP request of `cryptography`."""
    builder = ocsp.OCSPRequestBuilder()
    builder = builder.add_certificate(one.certificate, one.certificate, hashes.SHA256())
    asked = builder.build()
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": asked.issuer_name_hash.hex(),
        "issuerKeyHash": asked.issuer_key_hash.hex(),
        "serialNumber": f"{asked.serial_number:x}",
    }


async def listed(b, kind=CENTRAL):
    conf = await b.st.call("GetInstalledCertificateIds", {"certificateType": kind})
    found = conf.get("certificateHashData")
    assert conf["status"] == ("Accepted" if found else "NotFound"), conf
    return found or []


def same(found, *wanted):
    def key(data):
        return data["serialNumber"]

    return sorted(found, key=key) == sorted((hash_data(one) for one in wanted), key=key)


async def events(b):
    """Numbers of station/security.py in the unit's log of security events, of what is not of its
    start, and of no dial."""
    output, since = b.process.output, len(b.process.output)
    ask = "b''.join([l.split(b' ')[3] + b',' for l in open('/auth/security.log', 'rb')])"
    await b.do("console >>> " + ask)
    pattern = re.compile(r"b'([\d,]*)'")  # (what is typed is said, too)

    def found():
        return [line for line in output[since:] if pattern.fullmatch(line)]

    await poll(found, WAIT_s, "events")
    numbers = [int(n) for n in pattern.fullmatch(found()[0])[1].split(",")[:-1]]
    return [n for n in numbers if n not in (1, 3, 4, 5)]


async def event(b, kind, since=0):
    """Wait for a SecurityEventNotification of that type."""
    return await b.st.expect(
        "SecurityEventNotification", lambda p: p["type"] == kind, WAIT_s, since
    )


async def test_074_update_charge_point_certificate(bench, certificates):
    """A CSR of a new key with CN and O; the new certificate Accepted; the connection ends, the
    next one comes with it, and so do those after a power cut."""
    async with over_tls(bench, certificates) as b:
        await b.booted()
        old, seen = peer(b)[0], []
        for _ in range(2):
            csr = await requested(b)
            asked = x509.load_pem_x509_csr(csr.encode())
            names = [(a.oid, a.value) for a in asked.subject]
            assert names == [
                (NameOID.ORGANIZATION_NAME, OPERATOR),
                (NameOID.COMMON_NAME, SERIAL),
            ]
            assert asked.is_signature_valid and asked.public_key().curve.name == "secp256r1"
            new = certs.answer(csr, certificates.ca)
            before = b.st
            await signed(b, "Accepted", new)
            await b.again(before)
            seen.append(peer(b)[0])
            assert seen[-1] == new.certificate.serial_number and peer(b)[1]["commonName"] == SERIAL
            await b.process.wait_output(WORKS)
        assert len({old, *seen}) == 3
        await b.cut(0.1, up=False)
        assert peer(b)[0] == seen[-1], "it comes before client.der, which was there already"


@pytest.fixture(params=["micropython32", "micropython"])
def port(request):
    return request.getfixturevalue(request.param)


async def test_074_with_a_chain(bench, certificates, port, micropython32):
    """The server knows the root only. The 32-bit ports, as the ESP32, send the whole chain; the
    64-bit one of PyPI cannot, is refused, and comes back with the old one."""
    whole, between = port == micropython32, certificates.between
    heap = {"heap": ESP32_HEAP} if whole else {}
    async with over_tls(bench, certificates, interpreter=port, **heap) as b:
        await b.booted()
        old, before = peer(b)[0], b.st
        new = certs.answer(await requested(b), between)
        await signed(b, "Accepted", new, between, certificates.ca)
        await b.process.wait_output(WORKS if whole else GIVEN_UP)
        await b.again(before)
        assert peer(b)[0] == (new.certificate.serial_number if whole else old)


@pytest.mark.parametrize("cut", [False, True])
async def test_074_a_new_one_that_the_server_refuses(bench, certificates, cut):
    """It is tried three times, also over power cuts; then the old one is in force again."""
    other = certificates.roots["other"]
    async with over_tls(bench, certificates) as b:
        await b.booted()
        await install(b, other)
        old, before = peer(b)[0], b.st
        new = certs.answer(await requested(b), other)
        await signed(b, "Accepted", new)
        if cut:
            await b.process.wait_output("is the client certificate refused?")
            await b.do("power-cut 0.1")
        await b.process.wait_output("the new certificate is refused, the old one is tried")
        await b.process.wait_output(GIVEN_UP)
        await before.wait_closed(WAIT_s)
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert peer(b)[0] == old
        refused = [text for text in b.process.output if "client certificate refused?" in text]
        # (the power may go before the one that is in the log has counted)
        assert 3 <= len(refused) <= 3 + cut
        assert await events(b) == [7, 7, 15]
        for again in (False, True):
            if again:
                await b.cut(0.1, up=False)
            assert peer(b)[0] == old


async def test_074_while_the_server_is_away(bench, certificates):
    """That is no fault of the certificate: it is tried until there is a server."""
    async with over_tls(bench, certificates) as b:
        await b.booted()
        new = certs.answer(await requested(b), certificates.ca)
        before = b.st
        stopping = asyncio.ensure_future(b.cs.until(lambda: before.close_code))
        await signed(b, "Accepted", new)
        await b.cs.stop()
        stopping.cancel()
        while len([text for text in b.process.output if "ECONNREFUSED" in text]) < 6:
            await b.process.wait_output("ECONNREFUSED", since=len(b.process.output))
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert peer(b)[0] == new.certificate.serial_number


@pytest.mark.parametrize("level", [0, 2])
async def test_074_without_a_certificate_in_use(bench, certificates, level):
    """It is kept for SecurityProfile 3: nothing is dialled anew, until that is asked for."""
    if level:
        b = over_tls(bench, certificates, level, ssl.CERT_OPTIONAL)
    else:
        b = bench(config=UNIT, certs=certificates.unit())
    async with b:
        await b.booted()
        before = b.st
        new = certs.answer(await requested(b), certificates.ca)
        await signed(b, "Accepted", new)
        await b.settled()
        assert b.cs.stations[ID] is before
        if level:
            await b.key("SecurityProfile", 3)
            await b.again(before)
            assert peer(b)[0] == new.certificate.serial_number


async def test_074_a_request_that_is_refused(bench, certificates):
    """Asked for three times; without CpoName not at all; one at a time."""
    async with bench(config=UNIT) as b:
        asked = {"requestedMessage": "SignChargePointCertificate"}
        await b.ask("ExtendedTriggerMessage", "Rejected", **asked)
        await b.do("console sign")
        await b.process.wait_output("SignCertificate: set CpoName first")
        answers = [{"status": "Rejected"}, None, {"status": "Rejected"}]
        b.cs.answer("SignCertificate", lambda payload: answers.pop(0))
        await b.key("CpoName", OPERATOR)
        for _ in range(3):
            await b.do("console sign")
        await b.process.wait_output("SignCertificate: given up")
        asked = b.st.received("SignCertificate")
        assert len(asked) == 3 and len({p["csr"] for p in asked}) == 1 and not answers
        answers.append({"status": "Accepted"})
        await b.do("console sign")
        await b.cs.until(lambda: len(b.st.received("SignCertificate")) == 4)


async def test_074_the_connection_ends_before_it_is_asked_for(bench, certificates):
    async with bench(config=UNIT, certs=certificates.unit()) as b:
        b.cs.answer("SignCertificate", lambda payload: None)
        await b.key("CpoName", OPERATOR)
        await b.do("console sign")
        csr = (await b.st.expect("SignCertificate"))["csr"]
        before, mark = b.st, b.st.mark()
        b.cs.answer("SignCertificate", lambda payload: {"status": "Accepted"})
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert (await b.st.expect("SignCertificate", None, WAIT_s, mark))["csr"] == csr
        await b.cut(0.1)
        await signed(b, "Accepted", certs.answer(csr, certificates.ca))  # (its key is on flash)


async def test_075_1_install_manufacturer_root(bench, certificates):
    async with bench(certs=certificates.unit()) as b:
        assert await listed(b, MAKER) == []
        key = rsa.generate_private_key(65537, 4096)
        made = [certs.issue("Maker"), certs.issue("Maker of old", key=key)]
        for one in made:
            await install(b, one, MAKER)
            await install(b, one, MAKER)
        assert same(await listed(b, MAKER), *made)
        assert same(await listed(b), certificates.ca), "of the owner"
        await b.cut(0.1)
        assert same(await listed(b, MAKER), *made)


async def test_075_2_install_central_system_root(bench, certificates):
    """And the server may have a certificate of it from then on."""
    async with over_tls(bench, certificates, 2, None) as b:
        await b.booted()
        other = certificates.roots["other"]
        await install(b, other)
        assert same(await listed(b), certificates.ca, other)
        before = b.st
        await b.cs.stop()
        b.cs.ssl = certificates.context("stranger")
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)


async def test_075_a_root_that_takes_the_place_of_another(bench, certificates):
    """AdditionalRootCertificateCheck: signed by the one before, which is trusted until the server
    shows a certificate of the new one."""
    config = {**UNIT, "root_check": True}
    ca, other = certificates.ca, certificates.roots["other"]
    new = certs.issue("The next", ca, ca=True)
    b = over_tls(bench, certificates, 2, None, config=config)
    async with b:
        await b.booted()
        conf = await b.st.call("GetConfiguration", {"key": ["AdditionalRootCertificateCheck"]})
        (key,) = conf["configurationKey"]
        assert key["value"] == "true" and key["readonly"]
        await install(b, other, CENTRAL, "Rejected")
        await install(b, new)
        before = b.st
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert len(await listed(b)) == 2, "the one before, whose the server is, is told still"
        before = b.st
        await b.cs.stop()
        path = certificates.folder / "next.pem"
        server = certs.issue_server(new, ("localhost", "127.0.0.1"))
        path.write_bytes(server.pem + server.key_pem)
        b.cs.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        b.cs.ssl.load_cert_chain(path)
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await b.process.wait_output("the new root works, the old one is forgotten")
        assert len(await listed(b)) == 1


async def test_075_roots_that_are_none(bench, certificates):
    """Each Rejected and noted; and no more than CertificateStoreMaxLength."""
    ca, text = certificates.ca, certificates.roots["other"].pem.decode()
    async with bench(certs=certificates.unit()) as b:
        wrong = [
            certs.issue("No CA", ca),
            certs.issue("No root", ca, ca=True),
            certs.issue("Old", days=(-9, -2)),
            certs.issue("Early", days=(2, 9)),
            certs.issue("No CA", None, ca=False),
            certs.issue("Small", key=rsa.generate_private_key(65537, 1024)),
            text + text,
            text[:-40],
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "",
        ]
        # (the last line break, or what base64 does not need, may be missing)
        cuts = share(range(0, len(text) - 30, 23))
        for one in wrong + [text[:at] for at in cuts]:
            await install(b, one, CENTRAL, "Rejected")
        await install(b, certs.issue("No CA", ca), MAKER, "Rejected")
        assert same(await listed(b), ca) and await listed(b, MAKER) == []
        assert set(await events(b)) == {13, 14}, "one of its kind a minute"
        await event(b, "InvalidCentralSystemCertificate")
        await event(b, "InvalidFirmwareSigningCertificate")
        for i in range(7):
            await install(b, certs.issue(f"Root {i}"), (CENTRAL, MAKER)[i % 2])
        for kind in (CENTRAL, MAKER):
            await install(b, certs.issue("Root"), kind, "Failed")
        assert len(await listed(b)) == 5 and len(await listed(b, MAKER)) == 3
        await b.refused(
            "InstallCertificate",
            {"certificateType": CENTRAL, "certificate": "x" * 5501},
            "PropertyConstraintViolation",
        )


async def test_076_delete_a_certificate(bench, certificates):
    async with bench(certs=certificates.unit()) as b:
        one, two = certs.issue("One"), certs.issue("Two")
        await install(b, one, MAKER)
        await install(b, two)
        unknown = hash_data(certificates.between)
        await b.ask("DeleteCertificate", "NotFound", certificateHashData=unknown)
        for algorithm in ("SHA384", "SHA512"):
            data = {**hash_data(two), "hashAlgorithm": algorithm}
            await b.ask("DeleteCertificate", "NotFound", certificateHashData=data)
        for each in (one, two, certificates.ca):  # (dialled without TLS)
            await b.ask("DeleteCertificate", certificateHashData=hash_data(each))
            await b.ask("DeleteCertificate", "NotFound", certificateHashData=hash_data(each))
        assert await listed(b) == [] and await listed(b, MAKER) == []


async def test_076_the_last_root_stays_with_tls(bench, certificates):
    async with over_tls(bench, certificates, 2, None) as b:
        await b.booted()
        data = hash_data(certificates.ca)
        await b.ask("DeleteCertificate", "Failed", certificateHashData=data)
        other = certificates.roots["other"]
        await install(b, other)
        await b.ask("DeleteCertificate", certificateHashData=hash_data(other))
        await b.ask("DeleteCertificate", "Failed", certificateHashData=data)
        assert same(await listed(b), certificates.ca)
        # The one in use, although another is there: the unit still comes back.
        await install(b, other)
        await b.ask("DeleteCertificate", certificateHashData=data)
        assert same(await listed(b), other)
        await b.back(await b.away())
        await install(b, certificates.ca)
        assert same(await listed(b), other, certificates.ca)


async def test_the_key_is_in_no_file_that_leaves(bench, certificates):
    """Neither that of a certificate that is in use, nor that of one that was asked for: in raw
    bytes, hexadecimal or base64, in either log or in what the station prints."""
    async with bench(config=UNIT, certs=certificates.unit()) as b:

        async def asked_key():
            since = len(b.process.output)
            await b.do("console >>> open('/certs/request', 'rb').read().hex()")

            def shown():
                return re.search(r"'([0-9a-f]{64,})'", "\n".join(b.process.output[since:]))

            key = bytes.fromhex((await poll(shown, WAIT_s, "the key"))[1])[-32:]
            del b.process.output[since:]
            return key

        csr = await requested(b)
        used = await asked_key()
        await signed(b, "Accepted", certs.answer(csr, certificates.ca))
        await requested(b)
        keys = used, await asked_key()
        assert keys[0] != keys[1]
        with HttpServer() as server:
            for id, kind in enumerate(("SecurityLog", "DiagnosticsLog")):
                log = {"remoteLocation": server.url}
                payload = {"logType": kind, "requestId": id, "log": log}
                assert (await b.st.call("GetLog", payload))["status"] == "Accepted"
                done = {"requestId": id, "status": "Uploaded"}
                await b.st.expect("LogStatusNotification", lambda p, done=done: p == done, WAIT_s)
        files = list(server.files.values())
        assert len(files) == 2 and all(files)
        said = "\n".join(b.process.output).encode() + b"".join(files)
        for key in keys:
            for form in (key, key.hex().encode(), base64.b64encode(key)[:40]):
                assert form not in said


async def test_077_invalid_charge_point_certificate(bench, certificates):
    """Each Rejected and noted as InvalidChargePointCertificate; the right one is Accepted even
    then."""
    ca, other = certificates.ca, certificates.roots["other"]
    async with bench(config=UNIT, certs=certificates.unit()) as b:
        await signed(b, "Rejected", certs.issue(SERIAL, ca))
        csr = await requested(b)
        good = certs.answer(csr, ca)
        server = certs.answer(csr, ca, usage=x509.oid.ExtendedKeyUsageOID.SERVER_AUTH)
        text = good.pem.decode()
        wrong = [
            [certs.issue(SERIAL, ca)],  # (not for its key)
            [certs.answer(csr, other)],
            [certs.answer(csr, other), other],
            [certs.answer(csr, certificates.between)],  # (which is not in the chain)
            [certs.answer(csr, no_ca := certs.issue("No CA", ca)), no_ca],
            [certs.answer(csr, ca, (-9, -2))],
            [certs.answer(csr, ca, (2, 9))],
            [server],
            [certificates.between, good],
            [text * 7],
            [text[:-40]],
            [text.replace("CERTIFICATE", "CERT")],
            [csr],
            [""],
        ]
        cuts = share(range(0, len(text) - 30, 23))
        for chain in wrong + [[text[:at]] for at in cuts]:
            await signed(b, "Rejected", *chain)
        assert set(await events(b)) == {15}
        assert (await event(b, "InvalidChargePointCertificate"))["techInfo"]
        await signed(b, "Accepted", good)
        assert not [line for line in b.process.output if "PRIVATE" in line]


async def test_077_the_longest_chain(bench, certificates, micropython32):
    """As large as CertificateSignedMaxChainSize says, in the heap of an ESP32."""
    options = {"config": UNIT, "certs": certificates.unit(), "interpreter": micropython32}
    async with bench(heap=ESP32_HEAP, **options) as b:
        conf = await b.st.call("GetConfiguration", {"key": ["CertificateSignedMaxChainSize"]})
        most = int(conf["configurationKey"][0]["value"])
        chain = [certs.issue("Between 3", certificates.ca, ca=True)]
        while len(chain) < 4:
            chain.insert(0, certs.issue(f"Between {4 - len(chain)}", chain[0], ca=True))
        good = certs.answer(await requested(b), chain[0])
        text = "".join(one.pem.decode() for one in (good, *chain))
        assert most - 500 < len(text) <= most, len(text)
        await signed(b, "Accepted", text + "\n" * (most - len(text)))


async def test_077_on_the_chip(bench, certificates, micropython_esp):
    """In the memory of an ESP32, with TLS and ten large profiles: of more than it says that it
    takes the answer may be that there is no memory, and nothing has changed; else it is taken."""
    where = {"interpreter": micropython_esp, "heap": CHIP_HEAP}
    async with over_tls(bench, certificates, **where) as b:
        b.hostile = True  # (a connection may end without an answer)
        await b.booted()
        await large_profiles(b)
        shown = peer(b)
        names = [f"{'x' * 50}{n}.example" for n in range(95)]
        large = certs.issue("Between", certificates.ca, names, ca=True)
        text = certs.answer(await requested(b), large).pem.decode() + large.pem.decode()
        assert 7000 < len(text) <= 10000
        before = b.st
        with contextlib.suppress(CallError, ConnectionError):
            conf = await b.st.call("CertificateSigned", {"certificateChain": text}, WAIT_s)
            assert conf == {"status": "Rejected"}
        b.st = b.st if b.cs.stations.get(ID) is before else await b.again(before)
        assert peer(b) == shown
        chain = [certificates.ca]
        while len(chain) < 5:
            chain.insert(0, certs.issue(f"Between {len(chain)}     ", chain[0], ca=True))
        new = certs.answer(await requested(b), chain[0])
        text = "".join(one.pem.decode() for one in (new, *chain[:-1]))
        conf = await b.st.call("GetConfiguration", {"key": ["CertificateSignedMaxChainSize"]})
        most = int(conf["configurationKey"][0]["value"])
        assert most - 100 < len(text) <= most, len(text)
        before = b.st
        await signed(b, "Accepted", text)
        await b.again(before)
        assert peer(b)[0] == new.certificate.serial_number


async def test_074_on_the_chip(bench, certificates, micropython_esp):
    """In the memory of an ESP32: TLS, and certificates of RSA-2048, of which two are shown."""
    key = rsa.generate_private_key(65537, 2048)
    root = certs.issue("Root", key=key)
    between = certs.issue("Between", root, ca=True, key=key)
    where = {"interpreter": micropython_esp, "heap": CHIP_HEAP}
    async with over_tls(bench, certificates, **where) as b:
        b.cs.ssl.load_verify_locations(cadata=root.der)
        await b.booted()
        await install(b, root)
        for _ in range(2):
            before, new = b.st, certs.answer(await requested(b), between)
            await signed(b, "Accepted", new, between)
            await b.again(before)
            assert peer(b)[0] == new.certificate.serial_number
        await in_its_stack(b)
