"""tools/station --count and --ids: many stations in one process, all of them the firmware."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from station_driver import assert_orderly, run_tool

from host.csms import V16, V201, CentralSystem
from host.process import StationProcess, WAIT_s, poll
from host.station.arguments import arguments

COUNT, SPREAD_s = 12, 3
NAMES = [f"CP{i}" for i in range(1, COUNT + 1)]
URL = "ws://127.0.0.1:9/ocpp"
TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def many(folder, *words, quits=False, **central):
    """-> (CentralSystem, StationProcess) of many stations, which end with 0 by Ctrl-C or, if it
    quits, by that, in order, and have done nothing that OCPP does not allow."""
    cs = CentralSystem(log=print, protocols=(V201.protocol, V16.protocol), **central)
    await cs.start()
    process = StationProcess(folder, "--url", cs.url, *words, many=True)
    try:
        await process.start()
        yield cs, process
        pids = process.board_pids()
        if quits:
            await process.command("quit")
        code = await (process.ended() if quits else process.stop(signal.SIGINT))
        assert code == 0, process.output
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert_orderly([line.partition(": ")[2] for line in process.output])
        for history in cs.histories.values():
            assert history.violations == []
    finally:
        process.kill()
        await process.ended()
        await cs.stop()


async def up(cs, name, after=None, since=0):
    """Wait until a station has told the status of its connector; -> its Peer."""
    peer = await cs.wait_station(name, WAIT_s, after=after)
    await peer.expect("StatusNotification", None, WAIT_s, since)
    return peer


def pid_of(process, folder):
    """The interpreter that runs on the flash in `folder`."""
    flash = f"{folder}/flash.img".encode()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in process.board_pids()}
    (pid,) = [pid for pid, words in commands.items() if flash in words.split(b"\0")]
    return pid


def started_s(pid):
    """When a process was started, in seconds since the PC was."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / TICKS


async def test_a_dozen_with_one_control_port(tmp_path, micropython):
    state = tmp_path / "state"
    words = "--count", COUNT, "--spread", SPREAD_s, "--state", state
    async with many(tmp_path, *words) as (cs, process):
        peers = {name: await up(cs, name) for name in NAMES}
        assert (await process.command("list"))["stations"] == dict.fromkeys(NAMES, "runs")
        assert sorted(path.name for path in state.iterdir()) == sorted(NAMES)
        first, last = (started_s(pid_of(process, state / name)) for name in ("CP1", "CP12"))
        assert last - first > SPREAD_s - 0.1

        # One is told something, then all are.
        assert await process.command("CP7 plug") == {"ok": True}
        states = await until(process, lambda all: all["CP7"]["connectors"][0]["cp"] == "B")
        assert list(states) == NAMES
        assert [n for n in NAMES if states[n]["connectors"][0]["cp"] == "B"] == ["CP7"]
        assert "no car" in (await process.command("CP8 ready"))["error"]
        assert await process.command("all plug") == dict.fromkeys(NAMES, {"ok": True})
        await until(
            process, lambda states: {s["connectors"][0]["cp"] for s in states.values()} == {"B"}
        )
        for line, text in (("CP13 plug", "no such station"), ("plug", "ID COMMAND"),
                           ("CP1 dance", "no such command"), ("CP1", "no command")):  # fmt: skip
            assert text in (await process.command(line))["error"], line

        # What befalls one is no concern of the others.
        marks = {name: peers[name].mark() for name in ("CP5", "CP6")}
        os.kill(pid_of(process, state / "CP5"), signal.SIGKILL)
        await process.wait_output("CP5: the firmware ended with -9; it starts again")
        assert await process.command("CP6 power-cut 0.5") == {"ok": True}
        for name, since in marks.items():
            await up(cs, name, peers.pop(name), since)
        assert await process.command("CP9 quit") == {"ok": True}
        await process.wait_output("CP9: has ended; the others go on")
        assert (await process.command("list"))["stations"]["CP9"] == "ended"
        assert "has ended" in (await process.command("CP9 plug"))["error"]
        del peers["CP9"]
        assert {name: cs.stations[name] for name in peers} == peers

        # Their flashes are theirs as long as they run.
        code, lines = run_tool("--url", URL, "--count", "2", "--state", state)
        assert code == 1 and "CP1/flash.img: another station runs on this flash" in lines[-1]
        assert not [line for line in process.output if ": " not in line], "whose line is that?"


async def until(process, test):
    """Wait until test(states by id) holds, of all that have an answer; -> these."""

    async def look():
        states = await process.command("all state")
        good = not [s for s in states.values() if "error" in s] and test(states)
        return states if good else None

    return await poll(look, WAIT_s, "states")


async def test_ids_and_passwords_from_a_file(tmp_path, micropython):
    """The first two of them."""
    ids = tmp_path / "ids"
    ids.write_text(
        "# of the depot\nDEPOT-1 secret-of-the-first\n\n  DEPOT.2\t0123456789abcdef\nX\n"
    )
    credentials = {"DEPOT-1": "secret-of-the-first", "DEPOT.2": "0123456789abcdef"}
    words = "--ids", ids, "--count", 2, "--security-profile", 1, "--spread", 0
    async with many(tmp_path, *words, quits=True, credentials=credentials) as (cs, process):
        for name in credentials:
            await up(cs, name)
        assert set(cs.histories) == set(credentials)


BAD = (
    ("--count 0", "1 or more"),
    ("--count ten", "--count: ten is not a whole number"),
    ("--count 3 --spread soon", "--spread: soon is not a number"),
    ("--count 28000", "more"),
    ("--count 99999999", "more ports"),
    ("--count 3 --flash f", "--state FOLDER"),
    ("--count 3 --console", "--console is of one station"),
    ("--count 3 --trace t", "--trace is of one station"),
    ("--count 3 --page 8080", "--page is of one station"),
    ("--count 3 --spread -1", "0 to 86400"),
    ("--count 3 --id a/b", "letters, digits"),
    ("--count 3 --security-profile 1", "CP1 has no password"),
    ("--ids /nowhere/ids", "No such file"),
    ("--ids IDS --id CP", "those of --ids"),
    ("--ids IDS", "line 3: A: it is there twice"),
    ("--ids IDS --count 3", "line 3: A: it is there twice"),
    ("--id CP1 --spread 3", "for --count or --ids"),
    ("--id CP1 --state s", "for --count or --ids"),
)
BAD_FILES = (
    ("", "no station's id is in FILE: write one a line"),
    ("# none\n\n", "no station's id is in"),
    ("A\nall\n", "line 2: all"),
    ("A\nB/..\n", "line 2: B/.."),
    ("A\nB pass word\n", "line 2: B: a password has no blanks, and a comment a line of its own"),
    ("A password # of A\n", "line 1: A: a password has no blanks"),
)


def test_what_makes_no_sense_is_said(tmp_path, capsys, micropython):
    path = tmp_path / "ids"
    path.write_text("A\n# B\nA\n")
    for words, text in BAD:
        refused(words.replace("IDS", str(path)), text, capsys)
    for lines, text in BAD_FILES:
        path.write_text(lines)
        refused(f"--ids {path}", text.replace("FILE", str(path)), capsys)
    path.write_text("A\nB pass-word\nC\n")
    refused(f"--ids {path} --count 4", "has 3 ids: write more, or a smaller --count", capsys)
    args = arguments(f"--url {URL} --ids {path} --count 2 --password p --state s".split())
    assert [own.unit["password"] for own in args.stations.values()] == ["p", "pass-word"]
    assert [own.flash for own in args.stations.values()] == ["s/A/flash.img", "s/B/flash.img"]


def refused(words, text, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments(["--url", URL, *words.split()])
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(said) == 1 and text in said[0], (words, said)
