"""Security events on their way: where each is noted above the station, and that it is told, in
order and once, whatever the connection does. The whole station above its WebSocket."""

import json

import talking
from mp_queueing import energy, registered

from firmware import lazy
from firmware.clock import format_iso
from firmware.ocpp import jobs
from firmware.station import security

HEAP = "400K"
EVENT = "SecurityEventNotification"
WAIT_s = 30  # for an answer (rpc.py)
BRIEF_s = 5


def note(b, event, text="", every_s=0):
    security.note(b.unit.world.station, getattr(security, event), text, every_s)


def told(b):
    """(type, techInfo) of each that was, in order."""
    return [(call[3]["type"], call[3].get("techInfo")) for call in b.calls if call[2] == EVENT]


def kept(b):
    """(event, text) of each line of the log."""
    return [(line[3], line[4]) for line in security.log(b.unit.world.station).lines()]


async def all_told(b, answer="answer"):
    """Answer until nothing more comes."""
    n = -1
    while n != len(b.calls):
        n = len(b.calls)
        await getattr(b, answer)()
        await b.passes(1)


async def test_told_in_order_one_after_another():
    b = await registered()
    at = b.unit.world.clock.now()
    note(b, "STARTED", "version 1")
    note(b, "BAD_MESSAGES", "kept, and not told")
    note(b, "RESET")
    note(b, "NO_MEMORY", "low")
    await b.passes(5)
    expected = [("StartupOfTheDevice", "version 1"), ("ResetOrReboot", None)]
    expected.append(("MemoryExhaustion", "low"))
    for n in (1, 2, 3):
        assert told(b) == expected[:n] and len(b.calls) == n
        await b.passes(3)
        await b.answer()
    await b.passes(20)
    assert told(b) == expected and not b.unit.world.station.untold
    assert b.calls[0][3]["timestamp"] == format_iso(at)
    assert set(b.calls[1][3]) == {"type", "timestamp"}
    note(b, "CLOCK_SET")
    await b.passes(1)
    assert told(b)[3:] == [("SettingSystemTime", None)]


async def test_after_jobs_and_before_transactions():
    b = await registered()
    for n in (1, 2):
        b.sample(n)
        note(b, "RESET", str(n))
        jobs.note(b.unit.outbox, "DiagnosticsStatusNotification", "Uploaded")
    await b.passes(1)
    await all_told(b)
    job = ["DiagnosticsStatusNotification"] * 2
    # (the first sample was on its way)
    assert b.actions() == ["MeterValues"] + job + [EVENT] * 2 + ["MeterValues"] or (
        b.actions() == job + [EVENT] * 2 + ["MeterValues"] * 2
    )


async def test_what_came_while_one_was_told():
    b = await registered()
    note(b, "RESET", "1")
    await b.passes(1)
    note(b, "RESET", "2")
    await b.answer()
    await b.passes(1)
    note(b, "RESET", "3")
    await all_told(b)
    assert [text for _, text in told(b)] == ["1", "2", "3"] and not b.unit.world.station.untold


async def test_many_are_told_each_once():
    """More than are read of the log in one step, over both of its files."""
    b = await registered()
    for n in range(70):
        note(b, "RESET" if n % 3 else "BAD_MESSAGES", "%d %s" % (n, "x" * 90))
    await b.passes(1)
    await all_told(b)
    numbers = [int(text.split(" ")[0]) for _, text in told(b)]
    assert numbers[-1] == 68 or numbers[-1] == 69
    assert numbers == [n for n in range(numbers[0], 70) if n % 3] and len(numbers) > 20


async def test_a_lost_connection_loses_none():
    b = await registered()
    note(b, "RESET", "1")
    await b.passes(1)
    assert told(b) == [("ResetOrReboot", "1")]
    await b.unit.lose()
    note(b, "RESET", "2")
    await b.up()
    await b.passes(1)
    await all_told(b)
    assert [text for _, text in told(b)] == ["1", "2"]


async def test_who_refuses_it_has_heard_it():
    """A Central System that does not know the security extensions."""
    b = await registered()
    for n in range(3):
        note(b, "RESET", str(n))
    await b.passes(1)
    await all_told(b, "refuse")
    assert [text for _, text in told(b)] == ["0", "1", "2"] and not b.unit.world.station.untold


async def test_who_does_not_answer_does_not_hold_up_transactions():
    """The first is told again; then each once, when nothing of transactions waits."""
    b = await registered()
    note(b, "RESET", "1")
    await b.passes(1)
    b.sample(1)
    b.sample(2)
    note(b, "RESET", "2")
    await b.passes(WAIT_s + 1)
    assert [text for _, text in told(b)] == ["1"]
    for n in ("1", "2"):
        assert energy(b.calls[-1]) == n and b.calls[-1][2] == "MeterValues"
        await b.answer()
        await b.passes(1)
    await b.passes(4 * BRIEF_s)
    assert b.actions()[-1] == "Heartbeat"  # (is it the action, or everything?)
    await b.answer()
    await b.passes(1)
    texts = [text for _, text in told(b)]
    assert texts[0] == "1" and texts[-1] == "2" and len(texts) < 5, texts
    assert not b.unit.world.station.untold
    # It is there again.
    note(b, "RESET", "3")
    await b.passes(1)
    await b.answer()
    assert told(b)[-1] == ("ResetOrReboot", "3") and not b.unit.world.station.untold


class Full:
    """A log on a flash that takes nothing any more."""

    def __init__(self, log):
        self.untold, self.back = log.untold, log.back

    def told(self, number):
        raise OSError(28)


async def test_a_flash_that_keeps_nothing_does_not_repeat_it_for_ever():
    b = await registered()
    note(b, "RESET", "1")
    note(b, "RESET", "2")
    await b.passes(1)
    load = lazy.load

    def full(name):
        module = load(name)
        if name == "storage.security":
            log = module.log
            module.log = lambda *args: Full(log(*args))
        return module

    lazy.load = full
    try:
        await b.answer()
        await b.passes(30)
    finally:
        lazy.load = load
    assert [text for _, text in told(b)] == ["1"]
    note(b, "RESET", "3")
    await all_told(b)
    assert [text for _, text in told(b)] == ["1", "1", "2", "3"]


async def test_what_violates_the_protocol_is_noted():
    b = await registered()
    good = [2, "1", "ClearCache", {}]
    unknown = [2, "3", "Nothing", {}], [2, "4", "Authorize", {}]
    late = [3, "nobody asked", {}], [4, "nobody asked", "x", "", {}]
    for frame in (good, [2, "2", "GetDiagnostics"]) + unknown + late:
        await b.say(*frame)
    assert len(kept(b)) == 1 and kept(b)[0][1].startswith("request refused: FormationViolation")
    for n, (data, text) in enumerate((
        (b"{", "frame ignored: not JSON"),
        (b"[]", "frame ignored: no message type and id"),
        (b'[7,"1",{}]', "frame ignored: unknown message type"),
        (b'[2,"5","ClearCache",[]]', "request refused: FormationViolation: payload: object"),
        (b'[2,"6","Reset",{"type":7}]', "request refused: TypeConstraintViolation: type: string"),
        (b'[2,"7","Reset",{"type":"x"}]', "request refused: PropertyConstraintViolation"),
        (b'[2,"8","Reset",{}]', "request refused: OccurenceConstraintViolation: type: it"),
    )):  # fmt: skip
        await b.passes(3600)
        b.calls.clear()
        await b.unit.message(data)
        event, said = kept(b)[-1]
        assert len(kept(b)) == n + 2 and event == security.BAD_MESSAGES, data
        assert said.startswith(text), said
        await b.unit.message(data)
        await b.passes(120)
        await b.unit.message(data)
        assert len(kept(b)) == n + 2, "one an hour"
    assert told(b) == []


async def test_an_answer_that_is_none_is_noted():
    b = await registered()
    await b.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await b.answer({"currentTime": 7})
    assert kept(b) == [
        (security.BAD_MESSAGES, "answer to Heartbeat: currentTime: string expected")
    ]


async def test_no_memory_for_a_message_is_told():
    b = await registered()
    rpc = talking.rpc
    loads = rpc.loads

    def low(data):
        raise MemoryError

    rpc.loads = low
    try:
        await b.unit.message(b'[2,"1","ClearCache",{}]')
        await b.unit.message(b'[2,"2","ClearCache",{}]')
    finally:
        rpc.loads = loads
    assert [answer[2] for answer in b.answers] == ["InternalError"] * 2
    await b.passes(1)
    assert told(b) == [("MemoryExhaustion", "no memory for a frame of 23 bytes")]


async def test_a_changed_password_is_told():
    b = await registered()
    key = {"key": "AuthorizationKey", "value": "0123456789abcdef0123456789abcdef"}
    for status, more in (("Accepted", {}), ("Rejected", {"value": "1"})):
        assert await b.ask("ChangeConfiguration", dict(key, **more)) == {"status": status}
    await b.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "77"})
    await b.passes(1)
    await all_told(b)
    assert told(b) == [("ReconfigurationOfSecurityParameters", "AuthorizationKey")]
    assert "0123" not in json.dumps(b.calls)
