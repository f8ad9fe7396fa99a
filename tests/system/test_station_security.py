"""Whole stations with the security profiles of the white paper: TLS, passwords, certificates, how
they are changed while the station runs, and what happens when that does not work."""

import ssl

import pytest
from station_driver import ESP32_HEAP, ID, run_tool, utc

from bench.station import firmware_bytes
from host.csms import CentralSystem
from host.process import WAIT_s
from host.profile import profile

FIRST = "first password"
OLD, NEW = "00112233445566778899aabbccddeeff", "FFeeDDcc" * 5
LIVE_TLS = 72 << 10
OPTIONAL = ssl.CERT_OPTIONAL


def secured(bench, certificates, security_profile, *, client=None, server="good", **options):
    """A bench with a Central System that speaks TLS (of profile 2 and 3), not started."""
    options.setdefault("certs", certificates.unit(client="client"))
    if security_profile < 3:
        options.setdefault("password", FIRST)
    b = bench(boot=False, **{"security-profile": security_profile}, **options)
    if security_profile > 1:
        b.cs.ssl = certificates.context(server, client)
    if security_profile < 3:
        b.cs.credentials = {ID: FIRST}
    return b


async def security_profile(b):
    conf = await b.st.call("GetConfiguration", {"key": ["SecurityProfile"]})
    (entry,) = conf["configurationKey"]
    assert entry["readonly"] is False
    return int(entry["value"])


async def said(b, text, since=0):
    return await b.process.wait_output(text, since=since)


async def test_on_the_32_bit_port(bench, certificates, micropython32):
    """TLS 1.3 here. In the ESP32's heap; what is live is 2.5 KB more than without TLS."""
    b = secured(
        bench,
        certificates,
        3,
        client=ssl.CERT_REQUIRED,
        interpreter=micropython32,
        heap=ESP32_HEAP,
    )
    async with b:
        await b.booted()
        for number in range(16):
            periods = {i * 900: 6 + i for i in range(24)}
            p = profile(number + 1, "Default", periods, level=number % 16, startSchedule=utc())
            await b.set_profile(p)
        before = b.st
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert b.st._ws.transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        # Without the certificates that tools/station brings: as a unit that was started later.
        assert await b.process.stop() == 0
        await b.launch(certs=None)
        before, b.st = b.st, await b.cs.wait_station(ID, WAIT_s, after=b.st)
        await b.settled()
        live_bytes = await firmware_bytes(b.process)
        print(live_bytes, "bytes live with TLS")
        assert live_bytes <= LIVE_TLS


@pytest.mark.parametrize("level", [1, 2, 3])
async def test_the_main_job(bench, certificates, level):
    """From boot to the pilot, and again after the connection was lost, with each profile."""
    b = secured(bench, certificates, level, client=ssl.CERT_REQUIRED if level == 3 else None)
    async with b:
        await b.booted()
        assert await security_profile(b) == level
        secure = b.st._ws.transport.get_extra_info("ssl_object")
        assert (secure is not None) == (level > 1)
        if level == 3:
            assert "Authorization" not in b.st._ws.request.headers
            assert secure.getpeercert()
        await b.charge()
        periods = {i * 900: 6 + i % 20 for i in range(96)}  # 6 KB: several TLS records
        await b.set_profile(profile(1, "Default", periods, startSchedule=await b.now()))
        await b.pilot(6000)
        before = b.st
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert (await b.composite(900))[0] == (0, 6)
        await b.finish()


async def test_what_is_wrong_stands_in_the_log(bench, certificates):
    """The station keeps dialling, and is there when the Central System is mended."""
    b = secured(bench, certificates, 2, server="expired")
    async with b:
        await said(b, "Central System: TLS: certificate expired: ")
        for server, text in (
            ("stranger", "TLS: unknown CA: "),
            ("host", "TLS: wrong host: "),
            (
                "early",
                "TLS: this unit does not know the time, so no certificate is valid: set ntp",
            ),
        ):
            since = len(b.process.output)
            await b.cs.stop()
            b.cs.ssl = certificates.context(server)
            await b.cs.start()
            await said(b, text, since)
        assert ID not in b.cs.histories, "nothing was said to any of them"
        await b.cs.stop()
        b.cs.ssl = certificates.context("good")
        b.cs.credentials = {ID: "another"}
        await b.cs.start()
        await said(b, "HTTP 401 Unauthorized; is the password right")
        b.cs.credentials = {ID: FIRST}
        await b.booted()


async def test_raised_from_ws_to_wss(bench, certificates):
    """From profile 0 to 1 and 2, with an address of each kind: none of the other kind is dialled
    before, nor ever after."""
    plain = CentralSystem(log=print)
    await plain.start()
    try:
        b = secured(bench, certificates, 2, client=OPTIONAL)
        await b.cs.start()  # (which knows its port then)
        await b.cs.stop()
        urls = ["ws://127.0.0.1:1", b.cs.url, plain.url]
        b.options.update({"url": urls, "password": None, "security-profile": 0})
        async with b:
            st = await plain.wait_station(ID, WAIT_s)

            async def change(value, status):
                conf = await st.call("ChangeConfiguration", value)
                assert conf == {"status": status}, value

            for level in "12":
                await change({"key": "SecurityProfile", "value": level}, "Rejected")
                text = (
                    f"SecurityProfile stays 0, not {level}: SecurityProfile {level} needs a pass"
                )
                await said(b, text)
            assert ID not in b.cs.histories
            for key, value in (("AuthorizationKey", NEW), ("SecurityProfile", "1")):
                plain.credentials = {ID: bytes.fromhex(NEW)}
                before = st
                await change({"key": key, "value": value}, "Accepted")
                st = await plain.wait_station(ID, WAIT_s, after=before)
            b.cs.credentials = plain.credentials
            await change({"key": "SecurityProfile", "value": "2"}, "Accepted")
            b.st = await b.cs.wait_station(ID, WAIT_s)
            assert await security_profile(b) == 2
            before, since = b.st, len(b.process.output)
            await b.cs.stop()  # there is still the other one
            await said(b, "ECONNREFUSED", since)
            await b.do("power-cut 0.1")
            await said(b, "ECONNREFUSED", len(b.process.output))
            await b.cs.start()
            b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
            assert ID not in plain.stations and plain.histories[ID].violations == []
    finally:
        await plain.stop()


async def test_raised_without_what_it_needs(bench, certificates):
    async with secured(bench, certificates, 2, certs=certificates.unit()) as b:
        await b.booted()
        await b.key("SecurityProfile", "3", "Rejected")
        await said(b, "SecurityProfile stays 2, not 3: no client certificate: ")
        assert await security_profile(b) == 2
    assert len(b.st.received("BootNotification")) == 1


async def test_raised_in_vain(bench, certificates):
    """A05.FR.08: the Central System does not take the certificate. The station comes back with the
    profile before, which is then its SecurityProfile again."""
    unit = certificates.unit(client="stranger")
    async with secured(bench, certificates, 2, client=OPTIONAL, certs=unit) as b:
        await b.booted()
        before = b.st
        await b.key("SecurityProfile", "3")
        await said(b, "is the client certificate refused?")
        await before.wait_closed(WAIT_s)
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        said_so = "is the client certificate refused?"
        refused = [line for line in b.process.output if said_so in line]
        assert len(refused) == 3
        await said(b, "SecurityProfile: the old one is in force again")
        for cut in (False, True):
            assert await security_profile(b) == 2
            if not cut:
                await b.cut(0.1, up=False)


@pytest.mark.parametrize("cut", [False, True])
async def test_a_key_that_the_central_system_does_not_know(bench, certificates, cut):
    """It has set the key and lost it. The station falls back to the one before, whatever the
    power does in between, and forgets the new one."""
    async with secured(bench, certificates, 2) as b:
        await b.booted()
        before = b.st
        b.cs.credentials = {ID: bytes.fromhex(OLD)}
        await b.key("AuthorizationKey", OLD)
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await said(b, "AuthorizationKey: the new one works, the old one is forgotten")
        before, since = b.st, len(b.process.output)
        if cut:
            await b.cs.stop()
            await b.cs.start()
            b.st = before = await b.cs.wait_station(ID, WAIT_s, after=before)
            b.cs.credentials = {}  # nobody may come in
        await b.key("AuthorizationKey", NEW)
        await said(b, "AuthorizationKey: the new one is refused, the old one is tried", since)
        if cut:
            since = len(b.process.output)
            await b.do("power-cut 0.1")
            await said(b, "AuthorizationKey: the new one is refused, the old one is tried", since)
            b.cs.credentials = {ID: bytes.fromhex(OLD)}
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await said(b, "AuthorizationKey: the old one is in force again", since)
        since = len(b.process.output)
        await b.cut(0.1, up=False)
        assert not [line for line in b.process.output[since:] if "401" in line]
        for secret in (FIRST, OLD, NEW):
            assert not [line for line in b.process.output if secret.lower() in line.lower()]


def test_addresses_that_do_not_fit(tmp_path):
    """Told in one line at boot, and nothing is dialled."""
    for url, level in (
        ("ws://127.0.0.1:1", "2"),
        ("ws://127.0.0.1:1", "3"),
        ("wss://127.0.0.1:1", "0"),
        ("wss://127.0.0.1:1", "1"),
    ):
        code, lines = run_tool("--url", url, "--id", "A", "--security-profile", level)
        wanted = f"config.json: url: none for SecurityProfile {level}: 0 and 1 dial ws://, "
        wanted += "2 and 3 wss://"
        assert (code, lines) == (1, [wanted, "station: the firmware has given up"])


async def test_nothing_to_trust(bench, certificates, tmp_path):
    """Without a CA nothing is dialled at all, whoever is there."""
    b = secured(bench, certificates, 2, certs=certificates.unit(ca="other"))
    async with b:
        await said(b, "TLS: unknown CA: ")
        assert ID not in b.cs.histories
    (tmp_path / "bare").mkdir()
    b = bench(boot=False, **{"security-profile": 2}, password=FIRST, flash=tmp_path / "bare/flash")
    b.cs.ssl = certificates.context()
    async with b:
        await said(b, "no CA: SecurityProfile 2 needs that of the Central System as /certs/ca.der")
        assert ID not in b.cs.histories
