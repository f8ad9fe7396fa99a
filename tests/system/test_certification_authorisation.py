"""The certification tool's cases for a charge point, OCPP 1.6 Core, that need its own memory of
tags: cache, groups, offline policy. A test is named after its case: TC_007_CS is test_007_...
"""

from station_driver import TAG

from host.process import WAIT_s


async def learn(b):
    """TAG has charged here once: it is in the cache. -> mark after it"""
    await b.keys(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    await b.charge()
    await b.finish()
    return b.st.mark()


async def starts(b, how):
    """A car, and TAG by its card or from far away; -> once it charges."""
    since = b.st.mark()
    await b.do("plug")
    await b.status("Preparing", since=since)
    if how == "card":
        await b.do(f"tag {TAG}")
    else:
        await b.keys(AuthorizeRemoteTxRequests="true")
        await b.ask("RemoteStartTransaction", idTag=TAG, connectorId=1)
    await b.st.expect("StartTransaction", lambda p: p["idTag"] == TAG, WAIT_s, since)
    await b.status("Charging", since=since)


async def test_007_cached_id(bench):
    """It is not asked for; any other is."""
    async with bench() as b:
        since = await learn(b)
        for how in ("card", "remote"):
            await starts(b, how)
            await b.finish()
        assert b.st.received("Authorize", since) == []
        await b.charge("OTHER")
        assert b.st.received("Authorize", since) == [{"idTag": "OTHER"}]


async def test_061_clear_authorization_cache(bench):
    async with bench() as b:
        for how in ("card", "remote"):
            await learn(b)
            await b.ask("ClearCache")
            since = b.st.mark()
            await starts(b, how)
            assert b.st.received("Authorize", since) == [{"idTag": TAG}]
            await b.finish()
        await b.key("AuthorizationCacheEnabled", "false")
        await b.ask("ClearCache", "Rejected")


async def test_069_no_parent_id_tag_is_no_group(bench):
    """Back ends that send an empty or null parentIdTag for every card."""
    async with bench() as b:
        for empty in ("", None):
            info = {"idTagInfo": {"status": "Accepted", "parentIdTag": empty}}
            b.cs.answer("Authorize", lambda p, info=info: info)
            id = await b.charge()
            await b.do("tag OTHER")
            await b.settled()
            c = await b.process.connector()
            assert (c["status"], c["transactionId"]) == ("Charging", id)
            await b.finish()
