"""ocpp/link.py: a connection on which nobody talks any more. (Dialling, backing off and silence:
tests/system/test_station_offline.py.)"""

from firmware.ocpp.link import Link


class Ws:
    def __init__(self):
        self.code = None

    async def close(self, code):
        self.code = code


async def test_whatever_ends_the_talk_ends_the_connection():
    for failure in (None, OSError(104), MemoryError(), ValueError("x")):
        said = []
        link = Link(None, None, None, said.append)

        async def talk(failure=failure):
            if failure:
                raise failure

        link.talk = talk
        ws = Ws()
        await link._talk(ws)
        assert ws.code == 1001
        assert said == (["sending ended: %r" % failure] if failure else [])
