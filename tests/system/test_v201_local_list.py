"""OCPP 2.0.1, D: the local authorization list. A test is named after its case of the certification
tool: TC_D_01_CS is test_d_01_..."""

from datetime import timedelta

from station_201 import CENTRAL, ISO14443, assert_reason, token
from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s


def entry(tag, status="Accepted", type=ISO14443, **more):
    info = {"status": status, **more}
    return {"idToken": token(tag, type), "idTokenInfo": info}


async def send(b, version, *entries, expect="Accepted", kind="Full", reason=None):
    payload = {"versionNumber": version, "updateType": kind}
    if entries:
        payload["localAuthorizationList"] = list(entries)
    answer = await b.ask("SendLocalList", expect, reason, **payload)
    if expect != "Accepted":
        assert_reason(answer, reason)


async def version(b):
    return (await b.st.call("GetLocalListVersion", {}))["versionNumber"]


async def test_d_01_to_05_07_08_the_list(bench201):
    """Full, Differential with changes and with a token that goes, over a reboot, empty ones."""
    async with bench201() as b:
        assert await version(b) == 0
        await send(b, 5, entry("A"), entry("B", "Blocked"))
        assert await version(b) == 5
        change = {"idToken": token("b")}, entry("C")
        await send(b, 6, *change, kind="Differential")
        await send(b, 7, kind="Differential")  # no change but of the version (D01.FR.05)
        await b.cut()
        assert await version(b) == 7
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        since = b.st.mark()
        await b.charge("C")
        await b.finish("C")
        assert b.st.received("Authorize", since) == []
        await b.charge("B")
        await b.finish("B")
        assert [p["idToken"] for p in b.st.received("Authorize", since)] == [token("B")]
        await send(b, 8)
        assert await version(b) == 0


async def test_d_06_version_mismatch(bench201):
    async with bench201() as b:
        await send(b, 5, entry("A"))
        for old in (-1, 4, 5):
            await send(
                b, old, entry("B"), kind="Differential", expect="VersionMismatch",
                reason="ValueTooLow",
            )  # fmt: skip
        await send(b, 4, entry("B"))  # (a Full one may be of any version)
        assert await version(b) == 4


async def test_what_is_no_list_changes_nothing(bench201):
    async with bench201() as b:
        await send(b, 5, entry("A"))
        for number, entries, reason in (
            (0, [entry("B")], "ValueZeroNotAllowed"),
            (-1, [], "InvalidValue"),
            (1 << 31, [entry("B")], "InvalidValue"),
            (6, [entry("B"), entry("b")], "InvalidValue"),
            (6, [{"idToken": token("B")}], "InvalidValue"),
            (6, [entry(f"T{i}") for i in range(51)], "TooManyElements"),
        ):
            await send(b, number, *entries, expect="Failed", reason=reason)
        assert await version(b) == 5


async def test_d_10_disabled(bench201):
    async with bench201() as b:
        await send(b, 5, entry("A"))
        await b.set("LocalAuthListCtrlr.Enabled", "false")
        assert await version(b) == 0
        await send(b, 6, entry("A"), expect="Failed", reason="NotEnabled")
        await b.set("LocalAuthListCtrlr.Enabled", "true")
        assert await version(b) == 5


async def test_the_type_is_part_of_a_token(bench201):
    """Two of one text are two; and so in their groups, and with a time."""
    async with bench201() as b:
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        until = format_time(await b.now() + timedelta(hours=1))
        await send(b, 1, entry(TAG, "Blocked", "KeyCode"), entry(TAG, cacheExpiryDateTime=until))
        since = b.st.mark()
        await b.charge()
        await b.finish()
        assert b.st.received("Authorize", since) == []
        for kind, ends in ((CENTRAL, False), (ISO14443, True)):
            groups = [{"groupIdToken": token("G", one)} for one in (ISO14443, kind)]
            await send(b, 1, entry("A", **groups[0]), entry("B", **groups[1]))
            id = await b.charge("A")
            since = b.st.mark()
            await b.do("tag B")
            if ends:
                await b.ended(since)
                break
            await b.settled()
            assert (await b.process.connector())["transactionId"] == id
            await b.finish("A")


async def test_a_conflict_is_no_status_of_an_evse(bench201):
    """The Central System refuses a token of its own list: it does not charge."""
    async with bench201() as b:
        await send(b, 1, entry(TAG))
        b.cs.tags[TAG] = "Blocked"
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.st.expect("Authorize", None, WAIT_s)
        await b.settled()
        assert b.cs.transactions == {}
