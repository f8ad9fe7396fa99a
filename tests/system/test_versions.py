"""One message more, as CONTRIBUTING.md says it; one version of OCPP more, as versions.py says it,
also one that tells more of transactions. Each in a copy of the tree."""

import asyncio
import json
import re
import textwrap

import pytest
from station_driver import WAIT_s, own_tree
from websockets.asyncio.server import serve

from host.build import ROOT
from host.process import StationProcess, poll

TINY = {
    "shapes": """
        TABLE = (
            "\\ntalk.Ping: text s5"
            "\\n>Hello: status Accepted currentTime t interval i"
            "\\n>Secure:\\n>Say:\\n"
        )
        OTHERS = " Sing "
        CODES = "Format", "Occurrence", "Frame", "Type"
        """,
    "messages": """
        ACTIONS = "Hello", "Beat", "Say", "Value", ("Hello",), ()
        UNSAID = 0

        def boot(identity):
            return "Hello", {"of": identity[0]}

        def notice(notice, identity, info, before):
            return "Say", {"of": notice.number, "state": notice.state}

        def security(event, time_s, text):
            return "Secure", {"of": event}
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

# It wants everything of a transaction: 3 authorised, 4 another state, 5 another limit.
TELLING = {
    "shapes": """
        TABLE = (
            "\\ntalk.Most: mA i"
            "\\n>Hello: status Accepted currentTime t interval i"
            "\\n>May:\\n>Say:\\n>Happened:\\n>Secure:\\n"
        )
        OTHERS = " "
        CODES = "Format", "Occurrence", "Frame", None
        """,
    "messages": """
        ACTIONS = "Hello", "Beat", "Say", "Value", ("Hello", "May"), (3, 4, 5)
        UNSAID = 0

        def boot(identity):
            return "Hello", {}

        def notice(notice, identity, info, before):
            return "Say", {}

        def security(event, time_s, text):
            return "Secure", {}

        SILENCE = 0

        def authorize(token, kind):
            return "May", {}

        def foreign(kind, tx):
            return False

        def started(tx, seq):
            pass

        def heard(station, token, kind, conf, number):
            return 0, None

        def number(conf):
            return 1

        def event(kind, tx, sample, station):
            values = list(sample) if sample else [tx.start_s if kind == 0 else tx.stop_s]
            seq = station.journal.seq
            return "Happened", {"of": tx.uuid, "seq": seq, "kind": kind, "values": values}
        """,
    "words": """
        PURPOSES = "Tx", "Default", "Most"
        BOOTS = TOKENS = "Accepted"
        """,
    "talk": """
        from firmware.charging import limits

        def Most(unit, payload):
            unit.station.connectors[0].limits.put(limits.POLICY, payload["mA"])
            unit.station.sharing.due_s = 0
            return {}
        """,
}


def speaks(tree, package):
    """A copy of the project in `tree` that speaks "tiny9" first, by `package`; -> its tool."""
    tool = own_tree(tree)
    versions = tree / "firmware/ocpp/versions.py"
    text = versions.read_text()
    row = "PACKAGES = ("
    assert row in text
    versions.write_text(text.replace(row, row + '("tiny9", "ocpp.tiny"), '))
    config = tree / "firmware/config.py"
    default = '(list, ["ocpp2.0.1", "ocpp1.6"]'
    assert default in config.read_text()
    config.write_text(config.read_text().replace(default, '(list, ["tiny9", "ocpp1.6"]'))
    (tree / "firmware/ocpp/tiny").mkdir()
    for name, code in package.items():
        (tree / f"firmware/ocpp/tiny/{name}.py").write_text(textwrap.dedent(code))
    return tool


def answer_to(action):
    now = {"currentTime": "2026-11-20T10:00:00Z", "interval": 300}
    boots = "Hello", "BootNotification"  # (the other version has not been told of the start)
    return {"status": "Accepted", **now} if action in boots else {}


def steps():
    """(text, blocks of code) of each step of "One message more"."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    text = text.split("## One message more\n")[1].split("\n## ")[0]
    for step in re.split(r"^\d\. ", text, flags=re.M)[1:]:
        code = re.findall(r"(?:^ {7}.*\n|^\n(?= {7}|\n {7}))+", step, flags=re.M)
        yield step, [textwrap.dedent(block).strip() + "\n" for block in code]


@pytest.mark.parametrize("which", (0, 1), ids=("v16", "v201"))
async def test_one_message_more_as_it_is_described(bench, bench201, tmp_path, which):
    """Of two paths or blocks of code the first is OCPP 1.6's."""
    (shape, (line,)), (handler, modules), (test, codes), (conformance, _) = steps()
    bench, module, code = (bench, bench201)[which], modules[which], codes[which]
    tree = tmp_path / "tree"
    tool = own_tree(tree)
    assert "a line of `TABLE`" in shape and "`OTHERS`" in shape
    shapes = tree / re.findall(r"`(firmware/\S+)`", shape)[which]
    name, text = re.search(r"(\w+):", line)[1], shapes.read_text()
    path = tree / re.findall(r"`(firmware/\S+)`", handler)[which]
    assert text.count(line.strip()) == path.read_text().count(module) == 1, "as it stands here"
    shapes.write_text(text.replace("    " + line, ""))
    path.write_text(path.read_text().replace(module, ""))
    assert name not in shapes.read_text() and name not in path.read_text()
    b = bench()
    b.tool = tool
    async with b:
        await b.refused(name, {"reservationId": 7}, "NotImplemented")
    at = re.search(r'    "\\n>', text := shapes.read_text()).start()  # (what the unit says)
    shapes.write_text(text[:at] + "    " + line + text[at:])
    path.write_text(path.read_text() + module)
    assert "`tests/system`" in test and "conformance.md" in conformance
    scope = {}
    exec(code, scope)
    (check,) = [scope[name] for name in scope if name.startswith("test_")]
    b = bench()
    b.tool = tool
    await check(lambda: b)


async def test_the_subprotocol_that_is_picked_decides_the_package(tmp_path):
    """A row more, with a package of two messages; then that of OCPP 1.6, in the same run."""
    tool = speaks(tmp_path / "tree", TINY)
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
                await ws.send(json.dumps([3, frame[1], answer_to(frame[2])]))

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


async def test_all_that_happens_to_a_transaction_is_told_in_one_order(tmp_path):
    """Begun, authorised, states, samples, limits, ended; offline and over a power cut: each once
    or more, by one number, which has no gap and no repeat."""
    tool = speaks(tmp_path / "tree", TELLING)
    happened, offline, sockets, answers = [], [], [], []

    def refuse(ws, request):
        return ws.respond(503, "later\n") if offline else None

    async def served(ws):
        sockets.append(ws)
        async for text in ws:
            frame = json.loads(text)
            if frame[0] == 2:
                if frame[2] == "Happened":
                    happened.append(frame[3])
                await ws.send(json.dumps([3, frame[1], answer_to(frame[2])]))
            else:
                answers.append(frame)

    async def told(kind, value=None):
        def look():
            of_kind = [e["values"] for e in happened if e["kind"] == kind]
            return [values for values in of_kind if value is None or values[1] == value]

        await poll(look, WAIT_s, f"event {kind} {value}")

    options = {"process_request": refuse, "subprotocols": ["tiny9"]}
    async with serve(served, "127.0.0.1", 0, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        words = "--url", url, "--id", "CP1", "--flash", tmp_path / "flash", "--speed", 20
        process = StationProcess(tmp_path, *words, tool=tool)
        await process.start()
        try:
            await process.wait_output("boot Accepted")
            await process.do("plug")
            await process.do("tag TAG")
            await told(4, 2)  # it charges
            await sockets[-1].send('[2,"m","Most",{"mA":10000}]')
            await told(5, 10000)
            await told(2)  # a sample
            offline.append(True)
            await sockets[-1].close()
            await process.do("pause")
            await process.until(lambda c: c["status"] == "SuspendedEV")
            await process.do("power-cut 20")
            await process.wait_output("goes on after a power cut")
            await process.until(lambda c: c["status"] == "SuspendedEV")
            await process.do("tag TAG")
            await process.until(lambda c: c["status"] == "Finishing")
            offline.clear()
            await told(1)
            assert await process.stop() == 0, process.output
        finally:
            if process.process:
                process.kill()
                await process.ended()
    each = {}
    for e in happened:
        assert each.setdefault(e["seq"], e) == e  # (told again: the same)
    events = list(each.values())  # (in the order in which they came first)
    assert [e["seq"] for e in events] == list(range(len(events))), happened
    assert len({e["of"] for e in events}) == 1 and answers == [[3, "m", {}]]
    kinds = [e["kind"] for e in events]
    assert kinds[0] == 0 and kinds[-1] == 1 and kinds.count(0) == kinds.count(1) == 1
    states = [e["values"][1] for e in events if e["kind"] == 4]
    assert states[0] == 2 and set(states) <= {1, 2, 3}, states
    at = kinds.index(2)
    assert 4 in kinds[at:-1]  # (offline: after the power cut anew)
