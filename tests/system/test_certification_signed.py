"""The certification tool's cases for a charge point, security white paper: signed updates
(SignedUpdateFirmware), and releases whose header their maker has signed (update_signed)."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from station_driver import ID, TAG
from updates import HEAP, NEW, release_file, serving, told, triggered, until, update

from host import certs, release
from host.csms import format_time
from host.csms_update import sign
from host.process import WAIT_s

NAME = "SignedFirmwareStatusNotification"
EVENT = "SecurityEventNotification"
DONE = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
BAD = ["Downloading", "Downloaded", "InvalidSignature"]


async def ask(b, server, signer, signature, status="Accepted", number=1, **more):
    """SignedUpdateFirmware; -> the mark before."""
    mark, firmware = b.st.mark(), more.pop("firmware", {})
    payload = {
        "requestId": number,
        "firmware": {
            "location": server.url("/x.upd"),
            "retrieveDateTime": format_time(await b.now() - timedelta(seconds=1)),
            "signingCertificate": signer.pem.decode(),
            "signature": signature,
            **firmware,
        },
        **more,
    }
    assert await b.st.call("SignedUpdateFirmware", payload) == {"status": status}
    return mark


async def event(b, kind, since=0):
    """Wait for a security event, over connections; -> its techInfo."""

    def find():
        b.st = b.cs.stations.get(ID, b.st)
        return [p for p in b.st.received(EVENT, since) if p["type"] == kind]

    return (await b.cs.until(find, WAIT_s))[-1]["techInfo"]


async def test_080_secure_firmware_update(bench, files, makers):
    """TC_080: each status once and in order, with the requestId, the last after the restart."""
    signature = sign(files, makers.signer.key)
    async with bench(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        mark = await ask(b, server, makers.signer, signature, number=17)
        assert await until(b, "Installed", mark, NAME) == DONE
        assert {p["requestId"] for p in b.st.received(NAME, mark)} == {17}
        assert told(b, mark) == [], "FirmwareStatusNotification is of the other kind of update"
        assert [line for line in b.process.output if "slot a is on trial" in line]
        assert "version" in await event(b, "FirmwareUpdated", mark)
        await b.charge()


@pytest.mark.parametrize("how", ["PKCS #1 v1.5", "PSS"])
async def test_signed_by_rsa(bench, files, makers, how):
    key = makers.rsa.key
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = sign(files, key)
    if how == "PSS":
        signature = base64.b64encode(key.sign(files, pss, hashes.SHA256())).decode()
    async with bench(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        mark = await ask(b, server, makers.rsa, signature)
        assert await until(b, "Installed", mark, NAME) == DONE


async def test_081_invalid_signature(bench, files, makers):
    """TC_081: of another file, or by another key; nothing is installed, and the next can be."""
    async with bench(heap=HEAP, certs=makers.folder, speed=50) as b, serving(files) as server:
        for signature in (
            sign(files[:-1], makers.signer.key),
            sign(files, makers.maker.key),
            sign(files, makers.rsa.key),
            "AAAA",
        ):
            mark = await ask(b, server, makers.signer, signature)
            assert await until(b, "InvalidSignature", mark, NAME) == BAD
            info = await b.st.expect(
                "StatusNotification", lambda p: p["connectorId"] == 0 and "info" in p, WAIT_s, mark
            )
            assert info["info"].startswith("update: its signature"), info
            assert (await event(b, "InvalidFirmwareSignature", mark)).startswith("its signature")
            assert await triggered(b) == "Idle"
        assert not [line for line in b.process.output if "is on trial" in line]
        await b.charge()


async def test_who_may_not_sign(bench, tmp_path, files, makers):
    """InvalidCertificate: nothing is fetched, and what was asked for before goes on."""
    here = {
        "another maker": certs.issue_signer(makers.other),
        "expired": certs.issue_signer(makers.maker, (-9, -2)),
        "not for code": certs.issue_client(makers.maker, "CP1"),
        "itself": certs.issue("Releases"),
    }
    async with bench(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        for signer in here.values():
            signature = sign(files, signer.key)
            await ask(b, server, signer, signature, "InvalidCertificate")
        assert await event(b, "InvalidFirmwareSigningCertificate")
        for text in ("", "no certificate", makers.signer.pem.decode()[:300]):
            firmware = {"signingCertificate": text}
            await ask(b, server, makers.signer, "AAAA", "InvalidCertificate", firmware=firmware)
        assert not server.asked
    flash = tmp_path / "without"  # no maker is known
    async with bench(heap=HEAP, flash=flash) as b, serving(files) as server:
        await ask(b, server, makers.signer, sign(files, makers.signer.key), "InvalidCertificate")
        assert not server.asked


async def test_it_waits_for_both_its_times_and_the_latest_counts(bench, files, makers):
    """DownloadScheduled, InstallScheduled; another request takes its place: AcceptedCanceled."""
    signature = sign(files, makers.signer.key)
    async with bench(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        times = await b.now() + timedelta(seconds=3600), await b.now() + timedelta(seconds=7200)
        names = "retrieveDateTime", "installDateTime"
        later = dict(zip(names, map(format_time, times), strict=True))
        mark = await ask(b, server, makers.signer, signature, firmware=later)
        await until(b, "DownloadScheduled", mark, NAME)
        mark = b.st.mark()
        said = "FirmwareStatusNotification"
        await b.ask("ExtendedTriggerMessage", requestedMessage=said)
        expected = {"status": "DownloadScheduled", "requestId": 1}
        assert await b.st.expect(NAME, None, WAIT_s, mark) == expected
        await b.cut()  # what is to come outlives the power
        times = await b.now() + timedelta(seconds=20), await b.now() + timedelta(seconds=120)
        later = dict(zip(names, map(format_time, times), strict=True))
        canceled = "AcceptedCanceled"
        mark = await ask(b, server, makers.signer, signature, canceled, 2, firmware=later)
        await until(b, "InstallScheduled", mark, NAME)
        await b.charge()  # until it is time cards are taken
        await b.do(f"tag {TAG} 1")
        await until(b, "Installed", mark, NAME)
        assert await b.now() >= times[1]
        of = [p["status"] for p in b.st.received(NAME, mark) if p["requestId"] == 2]
        assert of == ["DownloadScheduled", *DONE[:3], "InstallScheduled", *DONE[3:]]


async def test_the_power_fails_before_the_signature_was_checked(bench, files, makers):
    """What lies in the other slot is checked after the restart; it does not run before."""
    signature = sign(files[:-1], makers.signer.key)
    async with bench(heap=HEAP, certs=makers.folder, speed=4) as b, serving(files) as server:
        mark = await ask(b, server, makers.signer, signature)
        await until(b, "Downloaded", mark, NAME)
        await b.cut()
        await until(b, "InvalidSignature", 0, NAME)
        assert not [line for line in b.process.output if "is on trial" in line]
        assert await triggered(b) == "Idle"


# What checks the signature cannot be loaded so many times, once the signer was looked at.
FAILS = """
from firmware import lazy
calls, real = [], lazy.load

def load(name):
    if name == "signatures":
        calls.append(name)
        if 1 < len(calls) < %d:
            raise %s
    return real(name)

lazy.load = load
"""


@pytest.mark.parametrize(
    ("times", "error", "ends"),
    [
        (2, "MemoryError", DONE),
        (9, "MemoryError", [*DONE[:2], "InstallationFailed"]),
        (1, "OSError(5)", [*DONE[:2], "InstallationFailed"]),
    ],
)
async def test_what_cannot_be_checked_is_no_wrong_signature(
    bench, files, makers, times, error, ends
):
    signature, policy = sign(files, makers.signer.key), FAILS % (times + 2, error)
    async with bench(heap=HEAP, certs=makers.folder, policy=policy) as b, serving(files) as server:
        mark = await ask(b, server, makers.signer, signature)
        assert await until(b, ends[-1], mark, NAME) == ends
        if ends != DONE:
            why = "no memory to check" if error == "MemoryError" else "cannot be checked"
            assert [line for line in b.process.output if "W update: " in line and why in line]
            assert await triggered(b) == "Idle"
            await b.settled()
            bad = [p for p in b.st.received(EVENT, mark) if p["type"][:7] == "Invalid"]
            assert not bad


async def test_update_signed(bench, tmp_path, makers):
    """config.json asks for signatures: a release by its maker is taken, signed in its header, or
    as a whole by SignedUpdateFirmware; no other."""
    keys = {"maker": makers.maker, "other": makers.other}
    made = {}
    for name, who in keys.items():
        (tmp_path / name).write_bytes(who.key_pem)
        signer = release.signer(tmp_path / name)
        made[name] = release.make(text=NEW, key=signer)
    made["unsigned"] = release_file()
    config = {"update_signed": True}
    async with (
        bench(heap=HEAP, config=config, certs=makers.folder, speed=50) as b,
        serving() as server,
    ):
        for name, data in made.items():
            server.files[f"/{name}.upd"] = data
        for name, why in (
            ("unsigned", "it is not signed"),
            ("other", "its maker is not that of this unit"),
        ):
            mark = await update(b, server, f"/{name}.upd")
            assert await until(b, "DownloadFailed", mark) == ["Downloading", "DownloadFailed"]
            assert [line for line in b.process.output if why in line]
        mark = await update(b, server, "/maker.upd")
        wanted = ["Downloading", "Downloaded", "Installing", "Installed"]
        assert await until(b, "Installed", mark) == wanted
        server.files["/x.upd"] = made["unsigned"]
        mark = await ask(b, server, makers.signer, sign(made["unsigned"], makers.signer.key))
        assert await until(b, "Installed", mark, NAME) == DONE
    flash = tmp_path / "without"
    async with (
        bench(heap=HEAP, config=config, flash=flash, speed=50) as b,
        serving() as server,
    ):
        server.files["/x.upd"] = made["maker"]
        mark = await update(b, server)
        assert await until(b, "DownloadFailed", mark) == ["Downloading", "DownloadFailed"]
        assert [line for line in b.process.output if "there is no /certs/maker.der" in line]
