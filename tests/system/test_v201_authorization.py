"""OCPP 2.0.1, C: whom the station lets charge, and what it remembers of them. A test is named
after its case of the certification tool: TC_C_37_CS is test_c_37_..."""

import pytest
from station_201 import CENTRAL, LOCAL, token
from station_driver import TAG

from host.csms import format_time
from host.process import WAIT_s

LISTED = "SendLocalList"


async def shown(b, tag=TAG, evse=1):
    """A tag is shown, and asked about; -> whether it charges then."""
    since = b.st.mark()
    await b.do(f"tag {tag} {evse}")
    await b.st.expect("Authorize", lambda p: p["idToken"] == token(tag), WAIT_s, since)
    await b.settled()
    return (await b.process.connector(evse))["idTag"] == tag


async def learn(b, tag=TAG):
    """The tag has charged here once: it is in the cache; -> mark after it."""
    await b.set("AuthCtrlr.LocalPreAuthorize", "true")
    await b.charge(tag)
    await b.finish(tag)
    return b.st.mark()


def asked(b, since):
    return [p["idToken"]["idToken"] for p in b.st.received("Authorize", since)]


async def unasked(b, since, tag=TAG):
    """It charges, and nobody was asked."""
    await b.charge(tag)
    assert asked(b, since) == []


@pytest.mark.parametrize(
    "status", ["Invalid", "Unknown", "Blocked", "Expired", "NoCredit", "NotAtThisTime"]
)
async def test_c_02_06_07_56_not_accepted(bench201, status):
    async with bench201() as b:
        b.cs.tags[TAG] = status
        await b.do("plug")
        assert not await shown(b)
        b.cs.tags[TAG] = "Accepted"
        await b.do("tag OTHER")  # (the cable is not held by who was refused)
        await b.charging()


async def test_c_04_another_token_does_not_stop(bench201):
    async with bench201() as b:
        id = await b.charge()
        await b.do("tag OTHER")
        await b.settled()
        assert (await b.process.connector())["transactionId"] == id


async def test_c_08_and_36_the_cache(bench201):
    """It is not asked about, but with LocalPreAuthorize only; and its type is part of what is
    known: one of the same text and another type is asked about."""
    async with bench201() as b:
        since = await learn(b)
        await unasked(b, since)
        await b.finish()
        await b.set("AuthCtrlr.AuthorizeRemoteStart", "true")
        since = b.st.mark()
        await b.charge_remotely(idToken=token(type=LOCAL))
        assert [p["idToken"]["type"] for p in b.st.received("Authorize", since)] == [LOCAL]
        await b.do("unplug")
        await b.ended(since)
        await b.set("AuthCtrlr.LocalPreAuthorize", "false")
        since = b.st.mark()
        await b.charge()
        assert asked(b, since) == [TAG]


async def test_c_13_known_before_the_cable(bench201):
    """It begins by what is known, and energy flows when the car is there."""
    async with bench201() as b:
        since = await learn(b)
        await b.set("TxCtrlr.TxStartPoint", "Authorized")
        await b.do(f"tag {TAG}")
        begun = await b.event("Authorized", "Started", since, chargingState="Idle")
        assert begun["idToken"] == token()
        await b.do("plug")
        await b.event(since=since, chargingState="Charging")
        assert asked(b, since) == []


async def final(b, variable):
    """TAG is known as not accepted, and would be by now: with this variable nobody is asked."""
    await b.set(variable, "true")
    b.cs.tags[TAG] = "Accepted"
    since = b.st.mark()
    await b.do(f"tag {TAG}")
    await b.process.wait_output("not accepted, and not asked about")
    assert asked(b, since) == []
    await b.set(variable, "false")
    await b.do(f"tag {TAG}")
    await b.charging()


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
async def test_c_09_to_12_and_57_known_as_not_accepted(bench201, status):
    """It is asked about again, but not with AuthCacheCtrlr.DisablePostAuthorize."""
    async with bench201() as b:
        b.cs.tags[TAG] = status
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        await b.do("plug")
        for _ in range(2):
            assert not await shown(b)
        await final(b, "AuthCacheCtrlr.DisablePostAuthorize")


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
async def test_c_28_to_31_and_58_listed_as_not_accepted(bench201, status):
    """C14: the same by the list."""
    async with bench201() as b:
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        entry = {"idToken": token(), "idTokenInfo": {"status": status}}
        await b.ask(
            LISTED, versionNumber=1, updateType="Full", localAuthorizationList=[entry]
        )  # fmt: skip
        b.cs.tags[TAG] = status
        await b.do("plug")
        assert not await shown(b)
        await final(b, "LocalAuthListCtrlr.DisablePostAuthorize")


async def test_c_21_to_25_offline_by_the_list(bench201):
    """C13: who is accepted there charges, who is not does not, whatever the cache says."""
    async with bench201() as b:
        await learn(b, "BAD")
        entries = [
            {"idToken": token(tag), "idTokenInfo": {"status": status}}
            for tag, status in ((TAG, "Accepted"), ("BAD", "Blocked"), ("OLD", "Expired"))
        ]
        await b.ask(LISTED, versionNumber=1, updateType="Full", localAuthorizationList=entries)
        before = await b.away()
        since = before.mark()
        await b.do("plug")
        for tag in ("BAD", "OLD", "NEW"):
            await b.do(f"tag {tag}")
        await b.do(f"tag {TAG}")
        assert (await b.process.until(lambda c: c["contactor"]))["idTag"] == TAG
        await b.back(before)
        begun = await b.event(kind="Started", since=since)
        assert begun["offline"] and begun["idToken"] == token()


@pytest.mark.parametrize("allowed", ["true", "false"])
async def test_c_26_offline_and_unknown(bench201, allowed):
    """C15: OfflineTxForUnknownIdEnabled; what the Central System says afterwards counts."""
    async with bench201() as b:
        await b.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", allowed)
        b.cs.tags["NEW"] = "Invalid"
        before = await b.away()
        await b.do("plug")
        await b.do("tag NEW")
        if allowed == "true":
            await b.process.until(lambda c: c["contactor"])
        await b.back(before)
        if allowed == "true":
            await b.ended(stoppedReason="DeAuthorized", triggerReason="Deauthorized")
        else:
            await b.st.expect("Authorize", None, WAIT_s)
            await b.settled()
            assert b.cs.transactions == {}


async def test_c_32_to_34_what_is_remembered(bench201):
    """C10: of an AuthorizeResponse and of a TransactionEventResponse, over reboots, until its
    cacheExpiryDateTime."""
    async with bench201() as b:
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        await b.do("plug")
        b.cs.tags[TAG] = "Blocked"
        assert not await shown(b)
        b.cs.tags[TAG] = "Accepted"
        assert await shown(b)
        await b.charging()
        await b.finish()
        mark = await b.cut()
        await unasked(b, mark)
        b.cs.tags[TAG] = "Blocked"  # (told with what ends it)
        await b.finish()
        await b.do("plug")
        since = b.st.mark()
        assert not await shown(b), asked(b, since)
        info = {"status": "Accepted", "cacheExpiryDateTime": format_time(await b.now())}
        b.cs.tags.clear()
        for action in ("Authorize", "TransactionEvent"):
            b.cs.answer(action, lambda p: {"idTokenInfo": info} if "idToken" in p else {})
        assert await shown(b)
        await b.charging()
        await b.finish()
        await b.do("plug")
        await shown(b)  # its time is over: asked again


async def test_c_46_the_cache_forgets(bench201):
    """AuthCacheCtrlr.LifeTime."""
    async with bench201() as b:
        await b.set("AuthCacheCtrlr.LifeTime", 60)
        since = await learn(b)
        await unasked(b, since)
        await b.finish()
        await b.passed(61)
        since = b.st.mark()
        await b.charge()
        assert asked(b, since) == [TAG]


async def test_c_37_and_38_clear_cache(bench201):
    async with bench201() as b:
        await learn(b)
        await b.ask("ClearCache")
        since = b.st.mark()
        await b.charge()
        assert asked(b, since) == [TAG]
        await b.set("AuthCacheCtrlr.Enabled", "false")
        await b.ask("ClearCache", "Rejected", "NotEnabled")


async def test_c_39_to_44_by_group(bench201):
    """C09: another token of the group ends it; not one of another, nor one that is refused."""
    async with bench201() as b:
        b.cs.tags = {
            "A": {"status": "Accepted", "parentIdTag": "G"},
            "B": {"status": "Accepted", "parentIdTag": "g"},
            "C": {"status": "Accepted", "parentIdTag": "H"},
            "D": {"status": "Blocked", "parentIdTag": "G"},
        }
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        for again in (False, True):
            id = await b.charge("A")
            for tag in "CD":
                await b.do(f"tag {tag}")
                await b.settled()
                assert (await b.process.connector())["transactionId"] == id
            since = b.st.mark()
            ended = await b.finish("B")
            assert ended["idToken"] == token("B")
            assert ended["transactionInfo"]["stoppedReason"] == "Local"
            assert (asked(b, since) == []) is again, "the second time the cache knows the group"


@pytest.mark.parametrize("remote", ["false", "true"])
async def test_c_45_and_49_master_pass(bench201, remote):
    """C16: without a display it ends every transaction; it never begins one (C12.FR.09)."""
    async with bench201(connectors=2) as b:
        await b.set("AuthCtrlr.MasterPassGroupId", "MASTER")
        b.cs.tags["BOSS"] = {"status": "Accepted", "parentIdTag": "master"}
        await b.do("plug 1")
        await b.do("tag BOSS 1")
        await b.st.expect("Authorize", None, WAIT_s)
        await b.settled()
        group = token("MASTER", CENTRAL)
        await b.ask(
            "RequestStartTransaction", "Rejected", evseId=1, remoteStartId=1,
            idToken=token(type=CENTRAL), groupIdToken=group,
        )  # fmt: skip
        assert b.cs.transactions == {}
        ids = [await b.charge("A", 1), await b.charge("B", 2)]
        if remote == "true":
            await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        since = b.st.mark()
        await b.do("tag BOSS 2")
        for id in ids:
            await b.event(
                "StopAuthorized", "Ended", since, transactionId=id, stoppedReason="MasterPass",
                idToken=token("BOSS"),
            )  # fmt: skip
        assert asked(b, since) == ([] if remote == "true" else ["BOSS"])


async def test_c_02_no_authorization(bench201):
    """C02, C03, C05: of what no reader reads nobody is asked, and the cache has nothing."""
    async with bench201() as b:
        await b.set("AuthCtrlr.AuthorizeRemoteStart", "true")
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        for one in (token("", "NoAuthorization"), token("X", CENTRAL)):
            since = b.st.mark()
            id = await b.charge_remotely(idToken=one)
            assert b.events(id)[0]["idToken"] == one
            assert b.st.received("Authorize", since) == []
            await b.do("unplug")
            await b.ended(since)
            await b.status("Available", since=since)
        listing = "console >>> open('/auth/cache').close()"
        await b.do(listing)
        await b.process.wait_output("ENOENT")
        b.process.output.clear()  # (it has a traceback)


async def test_good_at_one_evse_only(bench201):
    """C01: idTokenInfo.evseId; that is not remembered."""
    async with bench201(connectors=2) as b:
        info = {"status": "Accepted", "evseId": [2]}
        b.cs.answer("Authorize", lambda p: {"idTokenInfo": info})
        await b.set("AuthCtrlr.LocalPreAuthorize", "true")
        await b.do("plug 1")
        assert not await shown(b, evse=1)
        await b.do("plug 2")
        assert await shown(b, evse=2)
        await b.charging(2)
        assert not await shown(b, "OTHER", evse=1)


async def test_e_52_nobody_is_asked(bench201):
    """AuthCtrlr.DisableRemoteAuthorization: cache and list alone say who may."""
    async with bench201() as b:
        await learn(b)
        await b.set("AuthCtrlr.DisableRemoteAuthorization", "true")
        since = b.st.mark()
        await b.do("plug")
        await b.do("tag NEW")
        await b.process.wait_output("not accepted, and not asked about")
        await b.do(f"tag {TAG}")
        await b.charging(since=since)
        assert asked(b, since) == []
