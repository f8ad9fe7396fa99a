"""The certification tool's cases for a charge point that concern security. A test is named after
its case: TC_073_CS is test_073_...
"""

from station_driver import ID

from host.process import WAIT_s


async def test_073_update_basic_auth_password(bench):
    """AuthorizationKey: the connection ends, the next one comes with the new password; twice, and
    it outlives the power."""
    b = bench(password="first", boot=False)
    b.cs.credentials = {ID: "first"}
    async with b:
        await b.booted()
        for key in ("00112233445566778899aabbccddeeff", "FFeeDDcc" * 5):
            before = b.st
            b.cs.credentials = {ID: bytes.fromhex(key)}
            change = {"key": "AuthorizationKey", "value": key}
            assert await b.st.call("ChangeConfiguration", change) == {"status": "Accepted"}
            await b.again(before)
        assert len(b.st.received("BootNotification")) == 1
        before = b.st
        await b.do("power-cut 1")
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        await b.cs.until(lambda: len(b.st.received("BootNotification")) == 2, WAIT_s)
