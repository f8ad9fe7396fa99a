"""Who may charge: the Central System's word, what is remembered of it, and what counts offline."""

import pytest
from station_driver import TAG

from host.process import WAIT_s


@pytest.mark.parametrize("local", ["true", "false"])
async def test_offline_with_a_tag_of_the_cache(bench, local):
    """LocalAuthorizeOffline; what was learned survives a power cut (TC_037_1_CS)."""
    async with bench() as b:
        await b.keys(LocalAuthorizeOffline=local)
        await b.charge("Good")
        await b.finish("Good")
        await b.cut()
        before = await b.away()
        await b.do("plug")
        await b.do("tag GOOD")
        if local == "true":
            await b.process.until(lambda c: c["status"] == "Charging")
        else:
            await b.process.until(lambda c: c["status"] == "Preparing")
        since = before.mark()
        await b.back(before)
        await b.st.expect("StartTransaction", lambda p: p["idTag"] == "GOOD", WAIT_s, since)
        await b.process.until(lambda c: c["transactionId"] is not None)
        asked = [p["idTag"] for p in b.st.received("Authorize", since)]
        assert asked == ([] if local == "true" else ["GOOD"])  # it waited to be asked for
        assert (await b.finish("good"))["reason"] == "Local"


async def test_offline_with_a_tag_that_nobody_knows(bench):
    """AllowOfflineTxForUnknownId; the Central System refuses it afterwards: DeAuthorized
    (TC_037_3_CS). From then on the cache refuses it too."""
    async with bench() as b:
        b.cs.tags = {"BAD": "Invalid"}
        await b.keys(AllowOfflineTxForUnknownId="true", StopTransactionOnInvalidId="true")
        before = await b.away()
        await b.do("plug")
        await b.do("tag BAD")
        await b.process.until(lambda c: c["status"] == "Charging")
        await b.back(before)
        stop = await b.st.expect("StopTransaction", None, WAIT_s)
        assert stop["reason"] == "DeAuthorized"
        await b.do("unplug")
        await b.process.until(lambda c: c["status"] == "Available")
        before = await b.away()
        await b.do("plug")
        await b.do("tag BAD")
        await b.do("tag NEW")
        await b.process.until(lambda c: c["status"] == "Charging")
        assert (await b.process.connector())["idTag"] == "NEW"
        await b.back(before)
        await b.process.until(lambda c: c["transactionId"] is not None)


async def test_a_tag_of_the_group_stops(bench):
    """parentIdTag: another tag of the group ends the transaction, one of another does not."""
    async with bench() as b:
        b.cs.tags = {
            "A": {"status": "Accepted", "parentIdTag": "G"},
            "B": {"status": "Accepted", "parentIdTag": "g"},
            "C": {"status": "Accepted", "parentIdTag": "H"},
            "D": {"status": "Blocked", "parentIdTag": "G"},
        }
        for cache in ("true", "false"):
            await b.key("AuthorizationCacheEnabled", cache)
            await b.charge("A")
            for tag in "CD":
                since = b.st.mark()
                await b.do(f"tag {tag}")
                await b.st.expect("Authorize", None, WAIT_s, since)
                await b.settled()
                assert (await b.process.connector())["status"] == "Charging"
            stop = await b.finish("B")
            assert (stop["reason"], stop["idTag"]) == ("Local", "B")


async def test_energy_on_an_invalid_id(bench):
    """MaxEnergyOnInvalidId, where the transaction is not stopped: so much and no more."""
    async with bench(speed=50) as b:
        await b.keys(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="100")
        b.cs.answer(
            "StartTransaction", lambda p: {"transactionId": 7, "idTagInfo": {"status": "Invalid"}}
        )
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.status("Charging")
        await b.status("SuspendedEVSE")
        c = await b.process.connector()
        assert 100 <= c["energy_Wh"] - 1000 < 115 and c["transactionId"] == 7
        assert b.st.received("StopTransaction") == []
        stop = await b.finish()
        assert stop["reason"] == "Local" and 100 <= stop["meterStop"] - 1000 < 115


async def test_the_answer_never_comes(bench):
    """A connection that is lost while Authorize waits for its answer: the offline rules hold."""
    async with bench() as b:
        await b.charge()
        await b.finish()
        before, since = b.st, b.st.mark()
        b.cs.answer("Authorize", lambda p: None)
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.st.expect("Authorize", None, WAIT_s, since)
        await before.drop()
        await b.process.until(lambda c: c["status"] == "Charging")
        b.st = await b.cs.wait_station("CP1", WAIT_s, after=before)
        await b.st.expect("StartTransaction", None, WAIT_s, since)
        await b.process.until(lambda c: c["transactionId"] is not None)
        assert len(b.st.received("Authorize", since)) == 1
