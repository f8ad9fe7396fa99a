"""The certification tool's cases for a charge point that concern security. A test is named after
its case: TC_073_CS is test_073_...
"""

import base64
import ssl

from station_driver import ID

from host.process import WAIT_s

KEY = "00112233445566778899aabbccddeeff"


def over_tls(bench, certificates, security_profile, client=None, **options):
    """A bench with a Central System that speaks TLS 1.2 as it is certified, not started."""
    certs = certificates.unit(client="client")
    b = bench(boot=False, certs=certs, **{"security-profile": security_profile}, **options)
    b.cs.ssl = certificates.context("good", client)
    b.cs.ssl.maximum_version = ssl.TLSVersion.TLSv1_2
    return b


async def profile_of(b):
    conf = await b.st.call("GetConfiguration", {"key": ["SecurityProfile"]})
    return conf["configurationKey"][0]["value"]


async def reset(b):
    """Reset, and the boot after it."""
    before = b.st
    await b.ask("Reset", type="Hard")
    await b.again(before)


async def test_073_update_basic_auth_password(bench):
    """AuthorizationKey: the connection ends, the next one comes with the new password; twice, and
    it outlives the power."""
    b = bench(password="first", boot=False)
    b.cs.credentials = {ID: "first"}
    async with b:
        await b.booted()
        for key in ("00112233445566778899aabbccddeeff", "FFeeDDcc" * 5):
            before = b.st
            b.cs.credentials = {ID: bytes.fromhex(key)}
            await b.key("AuthorizationKey", key)
            await b.again(before)
        assert len(b.st.received("BootNotification")) == 1
        await b.cut(up=False)
        await b.cs.until(lambda: len(b.st.received("BootNotification")) == 2, WAIT_s)


async def test_083_upgrade_security_profile(bench, certificates):
    """From 2 to 3: Accepted, and after a Reset it connects with that one, and only with it."""
    async with over_tls(bench, certificates, 2, ssl.CERT_OPTIONAL, password="first") as b:
        await b.booted()
        before = b.st
        await b.key("SecurityProfile", 3)
        await b.again(before)
        await reset(b)
        assert len(b.st.received("BootNotification")) == 2
        await b.cut(0.1)
        assert await profile_of(b) == "3"
        before = b.st
        await b.cs.stop()
        b.cs.ssl = certificates.context("good")  # (that of profile 2)
        seen = []
        admit = b.cs._admit
        b.cs._admit = lambda ws, request: seen.append(request) or admit(ws, request)
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert seen and not [r for r in seen if "Authorization" in r.headers]


async def test_084_downgrade_security_profile(bench, certificates):
    async with over_tls(bench, certificates, 3, ssl.CERT_REQUIRED) as b:
        await b.booted()
        for value in ("2", "1", "0"):
            await b.key("SecurityProfile", value, "Rejected")
        assert await profile_of(b) == "3"


async def test_085_basic_authentication(bench):
    """identity:password, the identity being the last element of the path; 16 bytes that are no
    text."""
    b = bench(password="first", boot=False, **{"security-profile": 1})
    async with b:
        await b.booted()
        before = b.st
        await b.key("AuthorizationKey", KEY)
        await b.again(before)
        request = b.st._ws.request
        assert request.path.endswith("/" + ID)
        pair = base64.b64encode(ID.encode() + b":" + bytes.fromhex(KEY)).decode()
        assert request.headers["Authorization"] == "Basic " + pair


async def test_086_tls_server_certificate(bench, certificates):
    """TLS 1.2 with both of the cipher suites for EC keys, then Basic authentication."""
    for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"):
        b = over_tls(bench, certificates, 2, password="first")
        b.cs.ssl.set_ciphers(suite)
        b.cs.credentials = {ID: "first"}
        async with b:
            await b.booted()
            tls = b.st._ws.transport.get_extra_info("ssl_object")
            assert (tls.version(), tls.cipher()[0]) == ("TLSv1.2", suite)
            await reset(b)


async def test_087_tls_client_certificate(bench, certificates):
    """Its commonName is the unit's own, its key is EC with 256 bits."""
    async with over_tls(bench, certificates, 3, ssl.CERT_REQUIRED) as b:
        await b.booted()
        tls = b.st._ws.transport.get_extra_info("ssl_object")
        subject = dict(rdn[0] for rdn in tls.getpeercert()["subject"])
        assert subject["commonName"] == ID
        await reset(b)
