"""The certification tool's cases for a charge point, OCPP 1.6: the local list of tags. A test is
named after its case."""

from datetime import timedelta

from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s

LOCAL = "LocalAuthListManagement"


def entry(tag, status="Accepted", **more):
    return {"idTag": tag, "idTagInfo": {"status": status, **more}}


async def send(b, version, *entries, expect="Accepted", kind="Full"):
    payload = {"listVersion": version, "updateType": kind}
    if entries:
        payload["localAuthorizationList"] = list(entries)
    await b.ask("SendLocalList", expect, **payload)


async def version(b):
    return (await b.st.call("GetLocalListVersion", {}))["listVersion"]


async def values(b, *keys):
    answer = await b.st.call("GetConfiguration", {"key": list(keys)})
    return [one["value"] for one in answer["configurationKey"]]


async def test_042_1_and_043_1_not_supported(bench):
    async with bench() as b:
        await send(b, 1, entry("A"))
        await b.key("LocalAuthListEnabled", "false")
        assert await version(b) == -1
        await send(b, 2, entry("A"), expect="NotSupported")
        await b.key("LocalAuthListEnabled", "true")
        assert await version(b) == 1


async def test_042_2_and_043_list_version(bench):
    async with bench() as b:
        assert LOCAL in (await values(b, "SupportedFeatureProfiles"))[0]
        assert await version(b) == 0
        await send(b, 5, entry("A"), entry("B", "Blocked"))
        assert await version(b) == 5
        await send(b, 6, {"idTag": "b"}, entry("C", parentIdTag="P"), kind="Differential")
        assert await version(b) == 6
        await b.cut()
        assert await version(b) == 6
        await send(b, 7)  # an empty Full
        assert await version(b) == 0


async def test_043_2_and_3_version_mismatch_and_failed(bench):
    async with bench() as b:
        await send(b, 5, entry("A"))
        for old in (-1, 0, 4, 5):
            await send(b, old, entry("B"), kind="Differential", expect="VersionMismatch")
        late = [entry(f"T{i}") for i in range(51)]
        for number, entries in (
            (0, [entry("B")]),
            (-1, []),
            (1 << 31, [entry("B")]),
            (6, [entry("B"), entry("b")]),
            (6, [{"idTag": "B"}]),
            (6, late),
        ):
            await send(b, number, *entries, expect="Failed")
        assert await version(b) == 5
        await send(b, 4, entry("B"))  # (a Full one may be of any version)
        assert await version(b) == 4
        await send(b, 0)
        assert await version(b) == 0


async def test_008_id_in_the_local_list(bench):
    """It charges without being asked for, online and offline; who is blocked there does not."""
    async with bench() as b:
        await b.keys(LocalPreAuthorize="true", AuthorizationCacheEnabled="false")
        until = format_time(await b.now() + timedelta(hours=1))
        await send(b, 1, entry(TAG.lower(), expiryDate=until), entry("BAD", "Blocked"))
        since = b.st.mark()
        await b.charge()
        await b.finish()
        assert b.st.received("Authorize", since) == []
        before = await b.away()
        await b.do("plug")
        await b.do("tag BAD")
        await b.passed(3)
        assert (await b.process.connector())["idTag"] is None
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["contactor"])
        await b.back(before)


async def test_a_conflict_is_told(bench):
    """3.5.1: the Central System refuses a tag of its own list."""
    async with bench() as b:
        await send(b, 1, entry(TAG))
        b.cs.tags[TAG] = "Blocked"
        since = b.st.mark()
        await b.do("plug")
        await b.do(f"tag {TAG}")
        told = await b.st.expect(
            "StatusNotification", lambda p: p["errorCode"] != "NoError", WAIT_s, since
        )
        assert (told["connectorId"], told["errorCode"]) == (0, "LocalListConflict")


async def test_a_thousand_tags_arrive_by_differentials(bench, micropython32):
    """In the heap of an ESP32 without PSRAM."""
    async with bench(interpreter=micropython32, heap="112K") as b:
        most, length = map(
            int, await values(b, "SendLocalListMaxLength", "LocalAuthListMaxLength")
        )
        assert (most, length) == (50, 1000)
        tags = [f"{i:020d}" for i in range(length)]
        for at in range(0, length, most):
            new = [entry(t, parentIdTag="P" * 20, expiryDate="2030-01-01T00:00:00Z") for t in tags]
            kind = "Differential" if at else "Full"
            await send(b, at + 1, *new[at : at + most], kind=kind)
        assert await version(b) == 951
        await send(b, 1001, entry("ONE"), kind="Differential", expect="Failed")
        await b.keys(LocalPreAuthorize="true")
        since = b.st.mark()
        await b.charge(tags[777])
        assert b.st.received("Authorize", since) == []
