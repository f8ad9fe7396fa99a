"""OCPP 2.0.1, L: updates of the firmware. A test is named after its case of the certification
tool: TC_L_01_CS is test_l_01_..."""

from datetime import timedelta

import pytest
from station_201 import CENTRAL, assert_reason, token
from station_driver import ID, TAG
from updates import HEAP, serving, told, until

from host import certs
from host.csms import format_time
from host.csms_update import sign
from host.process import WAIT_s, poll

NAME = "FirmwareStatusNotification"
DONE = "Downloading Downloaded SignatureVerified Installing InstallRebooting Installed".split()
PLAIN = [status for status in DONE if status != "SignatureVerified"]


async def ask(b, server, *proof, expect="Accepted", reason=None, id=1, firmware=None, **more):
    """UpdateFirmware; proof: who signs, signature; -> the mark before."""
    mark = b.st.mark()
    said = {
        "location": server.url("/x.upd"),
        "retrieveDateTime": format_time(await b.now() - timedelta(seconds=1)),
    }
    if proof:
        said["signingCertificate"] = proof[0].pem.decode()
        said["signature"] = proof[1]
    payload = {"requestId": id, "firmware": {**said, **(firmware or {})}, **more}
    answer = await b.ask("UpdateFirmware", expect, **payload)
    if expect not in ("Accepted", "AcceptedCanceled"):
        assert_reason(answer, reason)
    return mark


async def triggered(b):
    mark = b.st.mark()
    await b.ask("TriggerMessage", requestedMessage=NAME)
    return await b.st.expect(NAME, None, WAIT_s, mark)


async def test_l_01_installed(bench201, files, makers):
    """Each status once and in order, with the requestId, the last after the restart; the boot says
    why it was one."""
    signature = sign(files, makers.signer.key)
    async with bench201(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        mark = await ask(b, server, makers.signer, signature, id=17)
        assert await until(b, "Installed", mark) == DONE
        assert {p["requestId"] for p in b.st.received(NAME, mark)} == {17}
        assert b.st.received("BootNotification", mark)[-1]["reason"] == "FirmwareUpdate"
        assert await triggered(b) == {"status": "Idle"}  # (L01.FR.25)
        await b.booted()
        await b.charge()


async def test_l02_without_a_signature(bench201, files):
    async with bench201(heap=HEAP) as b, serving(files) as server:
        half = {"signature": "AAAA"}
        await ask(b, server, expect="Rejected", reason="MissingParam", firmware=half)
        mark = await ask(b, server, id=5)
        assert await until(b, "Installed", mark) == PLAIN
        assert {p["requestId"] for p in b.st.received(NAME, mark)} == {5}


async def test_l_18_no_signature_where_one_is_wanted(bench201, files, makers):
    config = {"update_signed": True}
    async with bench201(heap=HEAP, config=config, certs=makers.folder) as b:
        async with serving(files) as server:
            await ask(b, server, expect="Rejected", reason="MissingParam")
            assert not server.asked
            mark = await ask(b, server, makers.signer, sign(files, makers.signer.key))
            await until(b, "SignatureVerified", mark)


async def test_l_12_to_14_other_transactions(bench201, files, makers):
    """They begin until all of it is there; then it waits for the last one that runs, and who is
    free is Unavailable (L01.FR.07)."""
    async with bench201(connectors=2, heap=HEAP, certs=makers.folder) as b:
        async with serving(files) as server:
            await b.charge(evse=1)
            mark = await ask(b, server, makers.signer, sign(files, makers.signer.key))
            await b.charge("OTHER", 2)
            await b.finish("OTHER", 2)
            assert told(b, mark) == [] and not server.asked
            await b.do("pause")
            await until(b, "InstallScheduled", mark)
            await b.status("Unavailable", 2, mark)
            start = {"idToken": token(type=CENTRAL), "remoteStartId": 1, "evseId": 2}
            await b.ask("RequestStartTransaction", "Rejected", "NotEnabled", **start)
            await b.do(f"tag {TAG}")
            at = DONE.index("Installing")
            done = [*DONE[:at], "InstallScheduled", *DONE[at:]]
            assert await until(b, "Installed", mark) == done


@pytest.mark.parametrize("signed", [True, False])
async def test_l_02_03_10_both_its_times_and_another_in_its_place(bench201, files, makers, signed):
    """DownloadScheduled, InstallScheduled, over a power cut; AcceptedCanceled."""
    proof = (makers.signer, sign(files, makers.signer.key)) if signed else ()
    async with bench201(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        names = "retrieveDateTime", "installDateTime"
        times = await b.now() + timedelta(hours=1), await b.now() + timedelta(hours=2)
        later = dict(zip(names, map(format_time, times), strict=True))
        mark = await ask(b, server, *proof, firmware=later)
        await until(b, "DownloadScheduled", mark)
        assert await triggered(b) == {"status": "DownloadScheduled", "requestId": 1}
        await b.cut()
        times = await b.now() + timedelta(seconds=20), await b.now() + timedelta(seconds=120)
        later = dict(zip(names, map(format_time, times), strict=True))
        mark = await ask(b, server, *proof, expect="AcceptedCanceled", id=2, firmware=later)
        await until(b, "Installed", mark)
        assert await b.now() >= times[1]
        of = [p["status"] for p in b.st.received(NAME, mark) if p["requestId"] == 2]
        done = DONE if signed else PLAIN
        at = done.index("Installing")
        assert of == ["DownloadScheduled", *done[:at], "InstallScheduled", *done[at:]]


async def test_l_05_and_06_who_signs_and_what(bench201, files, makers):
    """InvalidCertificate: nothing is fetched; InvalidSignature: nothing is installed. The latest
    that was told is what a trigger hears (L01.FR.26)."""
    other = certs.issue_signer(makers.other)
    async with bench201(heap=HEAP, certs=makers.folder) as b, serving(files) as server:
        bad = "InvalidCertificate"
        await ask(b, server, other, sign(files, other.key), expect=bad, reason=bad)
        assert not server.asked
        mark = await ask(b, server, makers.signer, sign(files[:-1], makers.signer.key), id=3)
        assert await until(b, "InvalidSignature", mark) == [*DONE[:2], "InvalidSignature"]
        assert await triggered(b) == {"status": "InvalidSignature", "requestId": 3}
        await b.st.expect(
            "SecurityEventNotification", lambda p: p["type"] == "InvalidFirmwareSignature", WAIT_s
        )


async def test_l_07_download_failed(bench201, files):
    """Retries are no news (L01.FR.30)."""
    async with bench201(heap=HEAP, speed=50) as b, serving(files) as server:
        nowhere = {"location": server.url("/nowhere.upd")}
        mark = await ask(b, server, firmware=nowhere, id=4, retries=2, retryInterval=1)
        assert await until(b, "DownloadFailed", mark) == ["Downloading", "DownloadFailed"]
        assert await triggered(b) == {"status": "DownloadFailed", "requestId": 4}
        assert len(server.asked) == 2


async def test_l_15_a_transaction_ends_first(bench201, files):
    """The download pauses while energy flows, which is told, and goes on when it does not; it is
    installed when the transaction has ended, and none begins meanwhile."""
    async with bench201(heap=HEAP) as b, serving(files) as server:
        server.cut.append(5000)  # (it is to take so long that a car comes)
        mark = await ask(b, server, retries=3, retryInterval=60)
        await until(b, "Downloading", mark)
        await b.charge()
        await until(b, "DownloadPaused", mark)
        assert told(b, mark) == ["Downloading", "DownloadPaused"]
        await b.do(f"tag {TAG}")
        await until(b, "Installed", mark)
        assert told(b, mark) == ["Downloading", "DownloadPaused", *PLAIN]


async def test_while_one_is_installed(bench201, files):
    async with bench201(heap=HEAP) as b, serving(files) as server:
        b.cs.answer(NAME, lambda p: None if p["status"] == "InstallRebooting" else {})
        mark = await ask(b, server)
        await until(b, "InstallRebooting", mark)
        await ask(b, server, expect="Rejected", reason="FwUpdateInProgress", id=2)
        await b.ask("Reset", "Rejected", "FwUpdateInProgress", type="Immediate")
        b.cs.answer(NAME, None)

        async def again():
            b.st = b.cs.stations.get(ID, b.st)
            return "Installed" in told(b, mark)

        await poll(again, WAIT_s, "Installed")
