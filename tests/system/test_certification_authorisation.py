"""The certification tool's cases for a charge point, OCPP 1.6 Core, that need its own memory of
tags: cache, groups, offline policy. A test is named after its case: TC_007_CS is test_007_...
"""

import pytest
from station_driver import TAG

from host.process import WAIT_s


async def configure(b, **keys):
    for key, value in keys.items():
        conf = await b.st.call("ChangeConfiguration", {"key": key, "value": value})
        assert conf == {"status": "Accepted"}, key


async def learn(b):
    """TAG has charged here once: it is in the cache. -> mark after it"""
    await configure(b, AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
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
        await configure(b, AuthorizeRemoteTxRequests="true")
        request = {"idTag": TAG, "connectorId": 1}
        assert await b.st.call("RemoteStartTransaction", request) == {"status": "Accepted"}
    await b.st.expect("StartTransaction", lambda p: p["idTag"] == TAG, WAIT_s, since)
    await b.status("Charging", since=since)


@pytest.mark.parametrize("how", ["card", "remote"])
async def test_007_cached_id(bench, how):
    async with bench() as b:
        since = await learn(b)
        await starts(b, how)
        assert b.st.received("Authorize", since) == []


@pytest.mark.parametrize("how", ["card", "remote"])
async def test_061_clear_authorization_cache(bench, how):
    async with bench() as b:
        await learn(b)
        assert await b.st.call("ClearCache") == {"status": "Accepted"}
        since = b.st.mark()
        await starts(b, how)
        assert b.st.received("Authorize", since) == [{"idTag": TAG}]


@pytest.mark.parametrize("empty", ["", None])
async def test_069_no_parent_id_tag_is_no_group(bench, empty):
    """Back ends that send an empty or null parentIdTag for every card."""
    async with bench() as b:
        b.cs.answer(
            "Authorize", lambda p: {"idTagInfo": {"status": "Accepted", "parentIdTag": empty}}
        )
        id = await b.charge()
        await b.do("tag OTHER")
        await b.settled()
        c = await b.process.connector()
        assert (c["status"], c["transactionId"]) == ("Charging", id)
        await b.finish()
