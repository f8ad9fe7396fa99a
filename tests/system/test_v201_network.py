"""OCPP 2.0.1, A05, B09 and B10: network profiles, a Central System that the station moves to, a
higher security profile. A test is named after its case of the certification tool."""

import contextlib
import ssl

import pytest
from station_driver import ID
from test_certification_certificates import UNIT, hash_data, over_tls
from test_v201_certificates import CSMS, install, listed, named

from host import certs
from host.csms import V201, CentralSystem
from host.process import WAIT_s

COMM = "OCPPCommCtrlr."
PRIORITY = COMM + "NetworkConfigurationPriority"
PASSWORD = "0123456789abcdef"


def network(url, **more):
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wireless0",
        **more,
    }


@contextlib.asynccontextmanager
async def another(b, profile=0, started=True, tls=None):
    """A second Central System that the station is to move to, by slot 2."""
    cs = CentralSystem(log=print, protocols=(V201.protocol,), ssl=tls)
    await cs.start()
    data = network(cs.url.replace("127.0.0.1", "localhost"), securityProfile=profile)
    if not started:
        await cs.stop()
    try:
        await b.ask("SetNetworkProfile", configurationSlot=2, connectionData=data)
        yield cs
    finally:
        await cs.stop()


async def moved(b, cs):
    """Reset, and the boot at that Central System."""
    await b.ask("Reset", type="OnIdle")
    b.st = await cs.wait_station(ID, WAIT_s)
    assert (await b.st.expect("BootNotification"))["reason"] == "RemoteReset"


def tried(b, address):
    return [line for line in b.process.output if f"address {address}:" in line]


# B09, B10


async def test_TC_B_43_CS_a_network_profile_that_is_refused(bench201):
    async with bench201() as b:
        good = network("ws://127.0.0.1:1/")
        for slot, data, reason in (
            (999, good, "InvalidConfSlot"),
            (0, good, "InvalidConfSlot"),
            (1, good, "InvalidConfSlot"),  # (it is in use)
            (2, network("http://127.0.0.1/"), "InvalidNetworkConf"),
            (2, network("wss://127.0.0.1/"), "InvalidNetworkConf"),
            (2, network("ws://127.0.0.1/ x"), "InvalidNetworkConf"),
            (2, network("ws://127.0.0.1/", securityProfile=4), "InvalidNetworkConf"),
            (2, network("ws://127.0.0.1/", securityProfile=-1), "NoSecurityDowngrade"),
            (2, network("ws://127.0.0.1/", messageTimeout=0), "InvalidNetworkConf"),
            (2, network("ws://127.0.0.1/", ocppTransport="SOAP"), "InvalidNetworkConf"),
        ):
            await b.ask(
                "SetNetworkProfile",
                "Rejected",
                reason,
                configurationSlot=slot,
                connectionData=data,
            )
        await b.set(PRIORITY, "2,1", "Rejected")  # (2 is empty)
        for bad in ("", "1,1", "5", "x"):
            await b.set(PRIORITY, bad, "Rejected")


async def test_TC_B_45_CS_migrate(bench201):
    """After the reset, with the slot that comes first; and not before."""
    async with bench201() as b:
        async with another(b) as cs:
            await b.set(PRIORITY, "2,1", "RebootRequired")
            assert await b.get(COMM + "ActiveNetworkProfile") == "1"
            before = b.st
            await before.drop()
            await b.again(before)
            await moved(b, cs)
            assert await b.get(COMM + "ActiveNetworkProfile") == "2"
            assert await b.get(PRIORITY) == "2,1"


@pytest.mark.parametrize("order", ["2,1", "2"])
async def test_TC_B_46_CS_TC_B_49_CS_fall_back(bench201, order):
    """The first does not answer: the one before has its turn, though the order may have forgotten
    it (B10.FR.03, B10.FR.07)."""
    async with bench201() as b:
        async with another(b, started=False):
            await b.set(COMM + "NetworkProfileConnectionAttempts", 2)
            await b.set(PRIORITY, order, "RebootRequired")
            before = b.st
            await b.ask("Reset", type="OnIdle")
            await b.again(before)
            assert await b.get(COMM + "ActiveNetworkProfile") == "1"
            assert len(tried(b, 1)) == 2, tried(b, 1)


# A new root


@contextlib.asynccontextmanager
async def with_a_new_root(bench201, certificates, moved):
    """(bench, Central System to move to, the new root), which is signed by the one before and has
    taken its place (M05.FR.12); moved: there is a certificate of it."""
    new = certs.issue("The next", certificates.ca, ca=True)
    path = certificates.folder / "next.pem"
    server = certs.issue_server(new, ("localhost", "127.0.0.1"))
    path.write_bytes(server.pem + server.key_pem)
    tls = certificates.context()
    if moved:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(path)
    config = {**UNIT, "root_check": True}
    async with over_tls(bench201, certificates, 2, None, config=config) as b:
        await b.booted()
        before = b.st
        assert await b.process.stop() == 0
        await b.launch(certs=None)  # (or they would be there anew with each start)
        await b.again(before)
        await install(b, new)
        async with another(b, 2, tls=tls) as cs:
            await b.set(COMM + "NetworkProfileConnectionAttempts", 1)
            await b.set(PRIORITY, "2,1", "RebootRequired")
            yield b, cs, new


async def test_TC_B_50_CS_migrate_with_a_new_root(bench201, certificates):
    """It works, so the one before is forgotten (M05.FR.13)."""
    async with with_a_new_root(bench201, certificates, True) as (b, cs, new):
        await moved(b, cs)
        await b.process.wait_output("the new root works, the old one is forgotten")
        assert await listed(b, CSMS) == {named(CSMS, new)}
        assert await b.get(COMM + "ActiveNetworkProfile") == "2"


async def test_TC_B_47_CS_fall_back_from_a_new_root(bench201, certificates):
    """Who is moved to is believed by the new root alone; the Central System before by the old one
    too, which is told and is not deleted while it is of use (M05.FR.14 to 16)."""
    async with with_a_new_root(bench201, certificates, False) as (b, cs, new):
        before = b.st
        await b.ask("Reset", type="OnIdle")
        await b.again(before)
        assert ID not in cs.histories and len(tried(b, 1)) == 1
        assert await b.get(COMM + "ActiveNetworkProfile") == "1"
        old = certificates.ca
        assert await listed(b, CSMS) == {named(CSMS, one) for one in (old, new)}
        await b.ask("DeleteCertificate", "Failed", certificateHashData=hash_data(old))
        # and so it is with each connection
        before = b.st
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert ID not in cs.histories


# A05


def secured(bench201, certificates, profile, **options):
    """A bench with that security profile, not started."""
    options.setdefault("certs", certificates.unit(client="client"))
    b = bench201(boot=False, password=PASSWORD, **{"security-profile": profile}, **options)
    b.cs.credentials = {ID: PASSWORD} if profile < 3 else None
    if profile > 1:
        b.cs.ssl = higher(certificates, profile)
    return b


def higher(certificates, profile):
    """The SSLContext of a Central System for it."""
    return certificates.context("good", ssl.CERT_REQUIRED if profile == 3 else None)


@pytest.mark.parametrize("profile", [1, 2])
async def test_TC_A_19_CS_a_higher_security_profile(bench201, certificates, profile):
    """The lower ones are forgotten, also where the higher one is away, and over a power cut."""
    async with secured(bench201, certificates, profile) as b:
        await b.booted()
        async with another(b, profile + 1, tls=higher(certificates, profile + 1)) as cs:
            await b.set(PRIORITY, "2,1", "RebootRequired")
            await moved(b, cs)
            mark = b.cs.histories[ID].messages.copy()
            secure = b.st._ws.transport.get_extra_info("ssl_object")
            assert (secure.getpeercert() is not None) == (profile == 2)
            assert await b.get("SecurityCtrlr.SecurityProfile") == str(profile + 1)
            assert await b.get(PRIORITY) == "2"
            before = b.st
            await cs.stop()
            for cut in (False, True):
                since = len(b.process.output)
                if cut:
                    await b.do("power-cut 0.1")
                for _ in range(3):
                    await b.process.wait_output("ECONNREFUSED", since=since)
                    since = len(b.process.output)
            await cs.start()
            b.st = await cs.wait_station(ID, WAIT_s, after=before)
            assert await b.get("SecurityCtrlr.SecurityProfile") == str(profile + 1)
            assert b.cs.histories[ID].messages == mark


async def test_a_higher_security_profile_that_does_not_work(bench201, certificates):
    """The one before has its turn, and stays in force; what it was not, it may still become."""
    async with secured(bench201, certificates, 1) as b:
        await b.booted()
        async with another(b, 2, tls=certificates.context("stranger")) as cs:
            await b.set(PRIORITY, "2,1", "RebootRequired")
            before = b.st
            await b.ask("Reset", type="OnIdle")
            await b.again(before)
            assert "unknown CA" in tried(b, 1)[0] and ID not in cs.histories
            assert await b.get("SecurityCtrlr.SecurityProfile") == "1"
            assert await b.get(PRIORITY) == "2,1"
            await cs.stop()
            cs.ssl = certificates.context()
            await cs.start()
            await moved(b, cs)
            assert await b.get("SecurityCtrlr.SecurityProfile") == "2"


@pytest.mark.parametrize("profile", [2, 3])
async def test_TC_A_20_CS_TC_A_21_CS_without_its_certificate(bench201, certificates, profile):
    """The slot is taken, but is not put into the order: no root of Central Systems; none of its
    own."""
    unit = None if profile == 2 else certificates.unit()
    async with secured(bench201, certificates, 1, certs=unit) as b:
        await b.booted()
        async with another(b, profile, tls=higher(certificates, profile)):
            before = await b.get(PRIORITY)
            await b.set(PRIORITY, "2,1", "Rejected", "InvalidValue")
            assert await b.get(PRIORITY) == before
            assert await b.get("SecurityCtrlr.SecurityProfile") == "1"


@pytest.mark.parametrize("profile", [2, 3])
async def test_TC_A_22_CS_a_lower_security_profile(bench201, certificates, profile):
    async with secured(bench201, certificates, profile) as b:
        await b.booted()
        for lower in range(profile):
            scheme = "wss" if lower == 2 else "ws"
            data = network(f"{scheme}://127.0.0.1:1/", securityProfile=lower)
            await b.ask(
                "SetNetworkProfile",
                "Rejected",
                "NoSecurityDowngrade",
                configurationSlot=2,
                connectionData=data,
            )
