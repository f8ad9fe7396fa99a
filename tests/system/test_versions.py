"""One message more, as CONTRIBUTING.md says it; one version of OCPP more, as versions.py says it.
Each in a copy of the tree."""

import asyncio
import json
import re
import textwrap

from station_driver import WAIT_s, own_tree
from websockets.asyncio.server import serve

from host.build import ROOT
from host.process import StationProcess

TINY = {
    "shapes": """
        TABLE = (
            "\\ntalk.Ping: text s5"
            "\\n>Hello: status Accepted currentTime t interval i"
            "\\n>Say:\\n"
        )
        OTHERS = " Sing "
        """,
    "messages": """
        ACTIONS = "Hello", "Beat", "Say", "Value", ("Hello",)

        def boot(identity):
            return "Hello", {"of": identity[0]}

        def notice(notice, identity, info):
            return "Say", {"of": notice.number, "state": notice.state}
        """,
    "words": """
        PURPOSES = "Tx", "Default", "Most"
        BOOTS = "Accepted"
        """,
    "talk": """
        def Ping(unit, payload):
            return {"pong": payload["text"], "of": len(unit.station.connectors)}
        """,
}


def steps():
    """(text, block of code or None) of each step of "One message more"."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text.split("## One message more\n")[1].split("\n## ")[0]
    for step in re.split(r"^\d\. ", text, flags=re.M)[1:]:
        code = re.findall(r"(?:^ {7}.*\n|^\n(?= {7}|\n {7}))+", step, flags=re.M)
        yield step, textwrap.dedent("".join(code)).strip() + "\n"


async def test_one_message_more_as_it_is_described(bench, tmp_path):
    (shape, line), (handler, module), (test, code), (conformance, _) = steps()
    tree = tmp_path / "tree"
    tool = own_tree(tree)
    assert "a line of `TABLE`" in shape and "`OTHERS`" in shape
    shapes = tree / re.search(r"`(firmware/\S+)`", shape)[1]
    text = shapes.read_text()
    name = re.search(r"(\w+):", line)[1]
    assert text.count(name) == 1
    text = text.replace(name + " ", "")
    at = text.index('    "\\n>Authorize:')
    shapes.write_text(text[:at] + "    " + line + text[at:])
    path = tree / re.search(r"`(firmware/\S+)`", handler)[1]
    assert not path.exists()
    path.write_text(module)
    assert "`tests/system`" in test and "conformance.md" in conformance
    scope = {}
    exec(code, scope)
    (check,) = [scope[name] for name in scope if name.startswith("test_")]
    b = bench()
    b.tool = tool
    await check(lambda: b)


async def test_the_subprotocol_that_is_picked_decides_the_package(tmp_path):
    """A row more, with a package of two messages; then that of OCPP 1.6, in the same run."""
    tree = tmp_path / "tree"
    tool = own_tree(tree)
    versions = tree / "firmware/ocpp/versions.py"
    text = versions.read_text()
    row = 'PACKAGES = (("ocpp1.6", "ocpp.v16"),)'
    assert row in text
    versions.write_text(text.replace(row, row.replace("((", '(("tiny9", "ocpp.tiny"), (')))
    (tree / "firmware/ocpp/tiny").mkdir()
    for name, code in TINY.items():
        (tree / f"firmware/ocpp/tiny/{name}.py").write_text(textwrap.dedent(code))
    offers, heard = [], asyncio.Queue()
    picks = ["tiny9", "ocpp1.6"]

    def pick(ws, offered):
        offers.append(list(offered))
        return picks[min(len(offers), 2) - 1]

    async def served(ws):
        async for text in ws:
            frame = json.loads(text)
            await heard.put((ws, frame))
            if frame[0] == 2:
                now = {"currentTime": "2026-11-20T10:00:00Z", "interval": 300}
                answer = {"status": "Accepted", **now} if frame[2] == "Hello" else {}
                await ws.send(json.dumps([3, frame[1], answer]))

    async def until(*begins):
        """The next frame that begins so (None: any)."""
        while True:
            ws, frame = await asyncio.wait_for(heard.get(), WAIT_s)
            if all(a in (None, b) for a, b in zip(begins, frame, strict=False)):
                return ws, frame

    async with serve(served, "127.0.0.1", 0, select_subprotocol=pick) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        words = "--url", url, "--id", "CP1", "--flash", tmp_path / "flash", "--speed", 20
        process = StationProcess(tmp_path, *words, tool=tool)
        await process.start()
        try:
            ws, (_, _, action, payload) = await until(2)
            assert action == "Hello" and payload == {"of": "Pilotwire"}
            told = [(await until(2, None, "Say"))[1][3]["of"] for _ in range(2)]
            assert told == [0, 1]
            for request, answer in (
                ('"Ping",{"text":"abc"}', [3, "x", {"pong": "abc", "of": 1}]),
                ('"Ping",{"text":"abcdef"}', [4, "x", "PropertyConstraintViolation"]),
                ('"Sing",{}', [4, "x", "NotSupported"]),
                ('"GetConfiguration",{}', [4, "x", "NotImplemented"]),
            ):
                await ws.send(f'[2,"x",{request}]')
                _, frame = await until(None, "x")
                assert frame[:3] == answer
            await ws.close()
            ws, (_, _, _, payload) = await until(2, None, "StatusNotification")
            assert payload["connectorId"] == 0 and ws.subprotocol == "ocpp1.6"
            await ws.send('[2,"y","GetConfiguration",{"key":["NumberOfConnectors"]}]')
            _, frame = await until(3, "y")
            assert frame[2]["configurationKey"][0]["value"] == "1"
            assert offers[0] == ["tiny9", "ocpp1.6"]
            assert await process.stop() == 0, process.output
        finally:
            if process.process:
                process.kill()
                await process.ended()
