"""Which message leaves when: OCPP-J 1.6, 4.1, OCPP 1.6 ed. 2, 3.7 and 4.9, as docs/conformance.md
has them. The whole station above its WebSocket, in a time that the test moves."""

import json

import talking

from firmware.electrical import pilot
from firmware.ocpp import jobs
from firmware.ocpp.v16 import configuration as key_messages
from firmware.station import metering, states
from firmware.storage import journal, tags

HEAP = "440K"
ACCEPTED = {"status": "Accepted", "currentTime": "2026-11-20T12:00:10Z", "interval": 0}
CLOCK = 1  # Sample.Clock (metering.CONTEXTS)
WAIT_s = 30  # for an answer (rpc.py)


class Central:
    """The Central System: `calls` are the station's, oldest first; `answers` what it answered."""

    def __init__(self):
        self.calls = []
        self.answers = []
        self.failures = []
        self.unit = talking.Unit(talking.play_time(), self.sent, self.failures.append)

    def sent(self, text):
        message = json.loads(text)
        (self.calls if message[0] == 2 else self.answers).append(message)

    async def say(self, *message):
        await self.unit.message(json.dumps(message).encode())
        assert not self.failures, self.failures

    async def ask(self, action, payload=None):
        n = len(self.answers)
        await self.say(2, "q%d" % n, action, payload or {})
        assert len(self.answers) == n + 1 and self.answers[n][1] == "q%d" % n
        return self.answers[n][2]

    async def retry(self, seconds):
        """TransactionMessageRetryInterval is that from now on."""
        key = {"key": "TransactionMessageRetryInterval", "value": str(seconds)}
        await self.ask("ChangeConfiguration", key)

    async def answer(self, payload=None):
        """The answer to the latest CALL."""
        action = self.calls[-1][2]
        if payload is None:
            payload = {"Heartbeat": {"currentTime": "2026-11-20T12:00:10Z"}}.get(action, {})
        await self.say(3, self.calls[-1][1], payload)

    async def refuse(self):
        await self.say(4, self.calls[-1][1], "InternalError", "", {})

    async def up(self):
        """Connected and registered; the statuses that follow are told."""
        await self.unit.connect()
        if self.unit.outbox.boot is None:
            assert self.actions() == ["BootNotification"]
            await self.answer(ACCEPTED)
        for number in (0, 1, 2):
            last = self.calls[-1]
            assert last[2] == "StatusNotification" and last[3]["connectorId"] == number
            await self.answer()
        del self.calls[: self.actions().index("StatusNotification") + 3]

    def actions(self):
        return [call[2] for call in self.calls]

    async def passes(self, seconds):
        await self.unit.passes(seconds)
        assert not self.failures, self.failures

    def sample(self, Wh):
        """A sample of the transaction, into its queue."""
        c = self.unit.world.c
        self.unit.world.station.sample(c, (c.tx.start_s + Wh, Wh, 1, metering.PERIODIC))


async def registered():
    """Without samples but those that a test takes."""
    central = Central()
    key_messages.change(central.unit.settings, "MeterValueSampleInterval", "0")
    await central.up()
    return central


def energy(call):
    return call[3]["meterValue"][0]["sampledValue"][0]["value"]


# One CALL, and what is outstanding


async def test_one_call_and_the_next_after_its_answer():
    b = await registered()
    for Wh in (1, 2, 3):
        b.sample(Wh)
    await b.passes(1)
    for n in (1, 2, 3):
        assert [energy(call) for call in b.calls] == [str(i + 1) for i in range(n)]
        await b.passes(5)
        assert len(b.calls) == n
        await b.answer()
    assert len(b.calls) == 3


async def test_answers_do_not_wait_for_our_call():
    b = await registered()
    b.sample(1)
    await b.passes(1)
    assert b.actions() == ["MeterValues"]
    for _ in range(20):
        assert await b.ask("ClearCache") == {"status": "Accepted"}
    assert len(b.calls) == 1


async def test_a_call_that_is_never_answered():
    """Given up after 30 s; the next one goes; the answer that comes then counts no more."""
    b = await registered()
    assert (await b.ask("TriggerMessage", {"requestedMessage": "Heartbeat"}))["status"]
    first = b.calls[-1]
    await b.ask("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"})
    await b.passes(WAIT_s - 1)
    assert b.actions() == ["Heartbeat"]
    await b.passes(2)
    assert b.actions() == ["Heartbeat", "DiagnosticsStatusNotification"]
    await b.say(3, first[1], {"currentTime": "2030-01-01T00:00:00Z"})
    assert b.unit.world.clock.now() < talking.world.T0 + 3600
    await b.answer()
    assert len(b.calls) == 2


async def test_who_does_not_read_is_left():
    """Neither a CALL nor an answer waits longer than that for room in the socket."""
    b = await registered()
    b.unit.ws.full = True
    b.sample(1)
    await b.passes(WAIT_s + 2)
    assert not b.unit.world.station.online  # (talk has ended, and so does the link then)
    b.unit.ws.full = False
    await b.up()
    await b.passes(1)
    assert b.actions() == ["MeterValues"]


# Transaction messages


async def test_silence_is_asked_again_with_another_id_and_never_given_up():
    b = await registered()
    await b.retry(20)
    b.sample(1)
    b.sample(2)
    await b.passes(1)
    for n in range(1, 5):
        samples = [call for call in b.calls if call[2] == "MeterValues"]
        assert len(samples) == n and energy(samples[-1]) == "1"
        await b.passes(WAIT_s)
        if n == 2:  # is it the action, or everything?
            assert b.actions()[-1] == "Heartbeat"
            await b.passes(WAIT_s)
        await b.passes(19)
        assert b.actions()[2:].count("Heartbeat") == (n > 1) and len(b.calls) == n + (n > 1)
        await b.passes(1)
    assert len({call[1] for call in b.calls}) == len(b.calls)
    await b.answer()
    await b.passes(1)
    assert energy(b.calls[-1]) == "2"


async def test_silence_before_a_new_connection_does_not_delay_it():
    b = await registered()
    b.sample(1)
    await b.retry(3600)
    await b.passes(1 + WAIT_s + 1)
    assert b.actions() == ["MeterValues"]
    await b.up()
    await b.passes(1)
    assert b.actions() == ["MeterValues"] and energy(b.calls[0]) == "1"


async def test_refusals_are_counted_and_wait_over_connections():
    """TransactionMessageAttempts, each after the interval times the attempts before; a Central
    System that refuses and closes does not shorten that."""
    b = await registered()
    b.sample(1)
    b.sample(2)
    await b.passes(1)
    for attempt in (1, 2):
        assert energy(b.calls[-1]) == "1"
        await b.refuse()
        b.calls.clear()
        await b.unit.lose()
        await b.up()
        for _ in range(10 * attempt - 2):
            assert b.calls == []
            await b.passes(1)
        await b.passes(3)
        assert b.actions() == ["MeterValues"]
    await b.refuse()
    await b.passes(1)
    assert len(b.calls) == 2 and energy(b.calls[-1]) == "2"


async def test_the_longest_interval_is_one_that_asyncio_can_sleep():
    b = await registered()
    await b.retry(86400)
    key_messages.change(b.unit.settings, "TransactionMessageAttempts", "1000")
    b.unit.outbox.delivery._attempts = 900
    b.sample(1)
    await b.passes(1)
    await b.refuse()
    ((due_ms, _),) = [s for s in b.unit.time.sleepers if s[0] > b.unit.time.ms + 86400000]
    assert due_ms - b.unit.time.ms < 1 << 29


# The answer comes late, or damaged


async def plugged(b, tag="TAG2"):
    """A car at connector 2, and a tag that is accepted; -> that connector. What leaves is its
    StartTransaction, once its status was told."""
    w = b.unit.world
    c = w.cs[1]
    w.electrics[1].state = pilot.C
    w.station.access().accept(tag, c)
    await b.passes(1)
    await statuses(b)
    assert c.tx and b.actions() == ["StartTransaction"]
    return c


def started(id, status="Accepted"):
    return {"transactionId": id, "idTagInfo": {"status": status}}


async def statuses(b):
    """Whatever statuses wait are told and answered."""
    n = 0
    while len(b.calls) > n and b.actions()[-1] == "StatusNotification":
        n = len(b.calls)
        await b.answer()
    b.calls[:] = [call for call in b.calls if call[2] != "StatusNotification"]


async def test_the_answer_to_a_start_that_comes_after_its_time():
    """It gives the id, at once; no second try opens another transaction, and from then on the
    station waits as long as was needed."""
    b = await registered()
    c = await plugged(b)
    await b.passes(WAIT_s + 5)
    await statuses(b)
    assert b.actions() == ["StartTransaction"]
    await b.say(3, b.calls[0][1], started(77))
    assert c.tx.id == 77
    await b.say(3, b.calls[0][1], started(78))  # once more
    await b.passes(60)
    assert c.tx.id == 77 and "StartTransaction" not in b.actions()[1:]
    assert (await b.ask("RemoteStopTransaction", {"transactionId": 77}))["status"] == "Accepted"
    await b.passes(2)
    await statuses(b)
    assert b.actions()[-1] == "StopTransaction"
    n = len(b.calls)
    await b.passes(WAIT_s + 20)
    assert b.calls[n:] == []  # the wait has grown
    await b.answer()
    await b.passes(60)
    assert "StopTransaction" not in b.actions()[n:]


async def test_the_answer_to_an_earlier_try_while_the_next_one_waits():
    b = await registered()
    b.sample(1)
    b.sample(2)
    await b.passes(1 + WAIT_s + 10)
    first, second = b.calls
    assert energy(first) == energy(second) == "1" and first[1] != second[1]
    await b.passes(5)
    await b.say(3, first[1], {})
    await b.passes(5)
    assert len(b.calls) == 2  # (one CALL at a time, 4.1.1)
    await b.passes(WAIT_s)  # nobody answers that one
    assert energy(b.calls[-1]) == "2" and len(b.calls) == 3
    await b.say(3, second[1], {})
    assert len(b.calls) == 3
    await b.answer()
    await b.passes(60)
    assert len(b.calls) == 3


async def two_tries(b):
    """-> a connector whose start left twice; nothing of it was answered yet."""
    await b.retry(0)
    c = await plugged(b)
    await b.passes(WAIT_s + 1)
    await statuses(b)
    while len(b.calls) < 2:
        await b.passes(1)
        await statuses(b)
    assert b.actions() == ["StartTransaction"] * 2 and b.calls[0][3] == b.calls[1][3]
    return c


def twin(start, id):
    """What ends the transaction `id` that was opened by another try of `start`."""
    Wh, t = start["meterStart"], start["timestamp"]
    return {"transactionId": id, "meterStop": Wh, "timestamp": t, "reason": "Other"}


async def stops(b, seconds=100):
    """Whatever comes is answered; -> the StopTransactions."""
    for _ in range(seconds):
        await b.passes(1)
        await statuses(b)
        if b.calls and b.calls[-1][2] != "StartTransaction" and b.calls[-1][1] not in b.done:
            b.done.add(b.calls[-1][1])
            await b.answer()
    return [call[3] for call in b.calls if call[2] == "StopTransaction"]


async def test_a_second_transaction_for_the_same_start_is_ended():
    """The first id that is heard stays; another one, whichever try brought it and whenever, ends
    where it began, told once and until it is answered. The true one goes on and is told whole."""
    for first, second, wait_s in ((0, 1, 0), (0, 1, 2 * WAIT_s), (1, 0, 0), (1, 0, 2 * WAIT_s)):
        b = await registered()
        b.done = set()
        c = await two_tries(b)
        start = b.calls[0][3]
        tries = [call[1] for call in b.calls]
        await b.say(3, tries[first], started(77))
        assert c.tx.id == 77
        b.unit.world.meters[1].energy_Wh += 500
        await stops(b, wait_s)
        await b.say(3, tries[second], started(78))
        await b.say(3, tries[second], started(78))  # once more
        assert c.tx.id == 77 and not c.tx.denied and not c.stopping()
        while b.actions()[-1] != "StopTransaction":
            await b.passes(1)
            await statuses(b)
        while b.actions().count("StopTransaction") < 3:  # nobody answers: it is told again
            await b.passes(1)
        while b.actions()[-1] != "StopTransaction":  # (a Heartbeat)
            await b.passes(1)
        told = [call[3] for call in b.calls if call[2] == "StopTransaction"]
        assert told == [twin(start, 78)] * len(told)
        await b.answer()
        b.calls.clear()
        assert await stops(b) == []
        assert (await b.ask("RemoteStopTransaction", {"transactionId": 77}))[
            "status"
        ] == "Accepted"
        (stop,) = await stops(b)
        assert stop["transactionId"] == 77 and stop["reason"] == "Remote"
        assert stop["meterStop"] >= start["meterStart"] + 500
        await b.unit.end()


async def test_a_second_transaction_is_ended_after_a_power_cut_too():
    b = await registered()
    await two_tries(b)
    start = b.calls[0][3]
    await b.say(3, b.calls[0][1], started(77))
    await b.say(3, b.calls[1][1], started(78))
    w = b.unit.world.boot()
    kind, tx, _ = w.journal.head()
    assert (kind, tx.id, tx.stop_Wh, w.cs[1].tx.id) == (journal.STOP, 78, start["meterStart"], 77)
    w.journal.done()
    assert w.boot().journal.head() is None
    assert w.cs[1].tx.id == 77


async def test_no_transaction_is_ended_that_may_be_the_true_one():
    """The same id again, one that runs elsewhere, none at all, a refusal."""
    for conf in (
        started(77), started(77, "ConcurrentTx"), started(1001), started(0, "Invalid"),
        started(-1, "ConcurrentTx"), {"idTagInfo": {"status": "Accepted"}}, {}, None,
    ):  # fmt: skip
        for wait_s in (0, 2 * WAIT_s):
            b = await registered()
            b.done = set()
            c = await two_tries(b)
            first, second = [call[1] for call in b.calls]
            await b.say(3, first, started(77))
            await stops(b, wait_s)
            if conf is None:
                await b.say(4, second, "InternalError", "", {})
            else:
                await b.say(3, second, conf)
            assert await stops(b) == [], (conf, wait_s)
            assert c.tx.id == 77 and not c.tx.denied and not c.stopping(), conf
            assert b.unit.world.c.tx.id == 1001
            await b.unit.end()


async def test_an_answer_that_comes_over_the_next_connection():
    b = await registered()
    c = await plugged(b)
    start = b.calls[0]
    await b.passes(5)
    await b.unit.lose()
    b.calls.clear()
    await b.unit.connect()  # (its statuses first)
    await b.say(3, start[1], started(77))
    assert c.tx.id == 77
    await statuses(b)
    await b.passes(60)
    assert "StartTransaction" not in b.actions()


async def test_a_late_refusal_is_none():
    b = await registered()
    b.sample(1)
    await b.passes(1 + WAIT_s + 5)
    await b.say(4, b.calls[0][1], "InternalError", "", {})
    await b.passes(5)
    assert [energy(call) for call in b.calls] == ["1", "1"]
    await b.answer()
    await b.passes(60)
    assert len(b.calls) == 2


async def test_the_answers_of_the_latest_eight_tries_count():
    for late, counts in ((8, False), (7, True), (0, True)):
        b = await registered()
        await b.retry(0)
        b.sample(1)
        tries = []
        while len(tries) < 9:
            await b.passes(1)
            tries += [call for call in b.calls if call[2] == "MeterValues"]
            b.calls.clear()
        await b.say(3, tries[-1 - late][1], {})
        await b.passes(2 * WAIT_s)
        assert ("MeterValues" not in b.actions()) is counts, late
        await b.unit.end()


async def test_a_sample_that_nobody_answers_while_all_else_is_answered():
    """It is given up, after that each at once, and the end of the transaction is told."""
    b = await registered()
    for Wh in range(1, 7):
        b.sample(Wh)
    b.unit.world.c.stop(states.LOCAL)
    seen = []
    for _ in range(300):
        await b.passes(1)
        while b.calls:
            call = b.calls.pop()
            seen.append(call[2])
            if call[2] != "MeterValues":
                payload = {"currentTime": "2026-11-20T12:00:10Z"} if call[2] == "Heartbeat" else {}
                await b.say(3, call[1], payload)
    seen = [action for action in seen if action in ("MeterValues", "StopTransaction")]
    assert seen == ["MeterValues"] * (3 + 5) + ["StopTransaction"], seen
    b.unit.world.charge()
    await b.passes(1)
    for Wh in (1, 2):  # one that is answered: from then on each has its tries again
        b.sample(Wh)
    for answered in (True, False, False):
        while not b.calls or b.actions()[-1] != "MeterValues":
            if b.calls:
                await b.answer()
                b.calls.pop(0)
            else:
                await b.passes(1)
        last = b.calls[-1]
        b.calls.clear()
        assert energy(last) == ("1" if answered else "2")
        if answered:
            await b.say(3, last[1], {})


async def test_damaged_answers_to_a_start():
    """The id is used; a status that cannot be read is not an acceptance."""
    for conf, id, denied in (
        ({"transactionId": 7}, 7, True),
        ({"transactionId": 7, "idTagInfo": None}, 7, True),
        ({"transactionId": 7, "idTagInfo": {"status": "accepted"}}, 7, True),
        ({"transactionId": "123", "idTagInfo": {"status": "Accepted"}}, 123, False),
        (started(7) | {"idTagInfo": {"status": "Accepted", "expiryDate": "soon"}}, 7, False),
        (started(7) | {"idTagInfo": {"status": "Accepted", "parentIdTag": "x" * 21}}, 7, False),
        ({"transactionId": None, "idTagInfo": {"status": "Invalid"}}, None, True),
    ):
        b = await registered()
        c = await plugged(b)
        tx = c.tx
        b.unit.world.station.local().clear()
        await b.say(3, b.calls[0][1], conf)
        assert (tx.id, tx.denied) == (id, denied), conf
        assert c.stopping() is denied, conf
        known = b.unit.world.station.local().known("TAG2")
        if denied:
            assert not known or known[0] != tags.ACCEPTED, conf
        elif "expiryDate" in conf["idTagInfo"]:
            assert known is None, conf  # nobody knows until when
        else:
            assert known == (tags.ACCEPTED, None), conf
        await b.passes(60)
        assert (b.actions().count("StartTransaction") == 1) is bool(id), conf
        await b.unit.end()


async def test_a_start_whose_answer_has_no_id_ever_is_given_up():
    for conf in ({}, {"transactionId": "abc"}, {"transactionId": 1.5}, [], "x"):
        b = await registered()
        c = await plugged(b)
        for _ in range(100):
            await b.passes(1)
            if b.actions()[-1] == "StartTransaction":
                await b.say(3, b.calls[-1][1], conf)
            elif b.actions()[-1] == "StatusNotification":
                await b.answer()
        starts = {call[1] for call in b.calls if call[2] == "StartTransaction"}
        assert len(starts) == 3 and c.tx.id is None and not c.tx.denied, conf
        await b.unit.end()


async def test_damaged_answers_to_all_else():
    b = await registered()
    w = b.unit.world
    station = w.station
    w.electrics[1].state = pilot.C
    await b.passes(2)
    await statuses(b)
    for info in (
        None,
        {},
        {"status": "accepted"},
        {"status": 1},
        "Accepted",
        {"statu": "Accepted"},
    ):
        station.access().tag("TAG2", 2)
        await b.passes(1)
        assert b.actions()[-1] == "Authorize"
        await b.answer({"idTagInfo": info} if info != {} else {})
        await b.passes(2)
        assert not w.cs[1].tx and not w.cs[1].waits, info
        await b.passes(5)  # (a card shown at once again is the same)
    station.access().tag("TAG2", 2)
    await b.passes(1)
    await b.answer({"idTagInfo": {"status": "Accepted", "expiryDate": 5, "parentIdTag": []}})
    await b.passes(2)
    assert w.cs[1].tx and not w.cs[1].tx.group
    now = w.clock.now()
    for conf in ({}, {"currentTime": 5}, {"currentTime": "now"}, [], None):
        await b.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
        for _ in range(5):
            if b.actions()[-1] != "Heartbeat":
                await b.say(3, b.calls[-1][1], started(5))
        assert b.actions()[-1] == "Heartbeat"
        await b.say(3, b.calls[-1][1], conf)
        assert 0 <= w.clock.now() - now < 60, conf
    answers = []

    class Policy:
        def heard(self, transfer, accepted, data, station):
            answers.append((accepted, data))

    station.policy = Policy()
    for conf, told in (
        ({"status": "Accepted", "data": "x"}, (True, "x")),
        ({"status": "Accepted", "data": 5}, (True, None)),
        ({"status": "Rejected", "data": "x"}, (False, "x")),
        ({"status": "Ok", "data": "x"}, (None, None)),
        ({}, (None, None)),
    ):
        station.transfer("Pilotwire", "x", "y")
        await b.passes(1)
        await b.answer(conf)
        assert answers == [told], conf
        answers.clear()


# An action that is never answered


async def test_statuses_that_are_never_answered_hold_nothing_up():
    """One time-out, and then a start within seconds of plug and card; the connection stays, the
    present statuses are told."""
    b = await registered()
    w = b.unit.world
    w.station.tell(w.cs[1], w.clock.now())
    at, told, seconds = {}, [], 0

    async def passes(seconds_more):
        nonlocal seconds
        for _ in range(seconds_more):
            await b.passes(1)
            seconds += 1
            assert b.unit.rpc.unanswered < 3  # (link.py would end the connection)
            while b.calls:
                call = b.calls.pop()
                at[call[2]] = seconds
                if call[2] == "StatusNotification":
                    told.append(call[3])
                    continue
                payload = {
                    "Authorize": {"idTagInfo": {"status": "Accepted"}},
                    "Heartbeat": {"currentTime": "2026-11-20T12:00:10Z"},
                    "StartTransaction": started(77),
                }.get(call[2], {})
                await b.say(3, call[1], payload)

    await passes(WAIT_s + 1)
    for n in range(5):
        plug_s = seconds
        w.electrics[1].state = pilot.C
        await passes(2)
        w.station.access().tag("TAG2", 2)
        await passes(18)
        assert w.cs[1].tx.id == 77 and plug_s < at["StartTransaction"] <= plug_s + 8, (n, at)
        await passes(15)
        w.electrics[1].state = pilot.A
        await passes(40)
        assert at["StopTransaction"] <= seconds - 30
        assert told[-1]["status"] == "Available" and told[-1]["connectorId"] == 2
    assert "Charging" in [p["status"] for p in told]


# What overtakes


async def test_what_was_answered_meanwhile_is_waited_for_as_before():
    """How long is decided when its turn comes, not when it begins to wait for its turn."""
    b = await registered()
    key_messages.change(b.unit.settings, "HeartbeatInterval", "31")
    await b.passes(31 + WAIT_s)
    assert b.actions() == ["Heartbeat"]  # never answered
    await b.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await b.passes(3)
    assert b.actions() == ["Heartbeat"] * 2  # the next that is due waits for its turn
    await b.answer()
    assert b.actions() == ["Heartbeat"] * 3
    await b.ask("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"})
    await b.passes(WAIT_s - 1)
    assert b.actions() == ["Heartbeat"] * 3


async def test_what_overtakes_transaction_messages():
    """An Authorize, what was triggered, a status, and what belongs to no transaction go first; a
    heartbeat takes its turn; the transaction's messages stay in order."""
    b = await registered()
    for Wh in (1, 2, 3):
        b.sample(Wh)
    await b.passes(1)
    station = b.unit.world.station
    station.transfer("Pilotwire", "x", "y")
    b.sample(4)
    station.samples.append((2, (talking.world.T0, 7, 1, CLOCK)))
    station.tell(station.connectors[1], station.clock.now())
    await b.ask("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"})
    station.access().ask("TAG9", station.connectors[1])
    order = []
    while b.calls:
        call = b.calls[-1]
        b.calls.clear()
        order.append(call[2] if call[2] != "MeterValues" else "sample " + energy(call))
        payload = {
            "Authorize": {"idTagInfo": {"status": "Invalid"}},
            "DataTransfer": {"status": "Accepted"},
        }.get(call[2], {})
        await b.say(3, call[1], payload)
    assert order == [
        "sample 1",  # was on its way
        "Authorize",
        "DiagnosticsStatusNotification",
        "StatusNotification",
        "sample 7",
        "sample 2",
        "sample 3",
        "sample 4",
        "DataTransfer",
    ]


async def test_triggered_messages_come_after_the_answer_and_are_bounded():
    b = await registered()
    b.sample(1)
    await b.passes(1)
    for n in range(12):
        conf = await b.ask("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
        assert conf["status"] == ("Accepted" if n < 8 else "Rejected")
        assert len(b.calls) == 1
    for n in range(8):
        await b.answer()
        assert b.actions()[1:] == ["FirmwareStatusNotification"] * (n + 1)


# Offline, and where nobody answers


async def test_offline_only_the_last_status_of_a_connector_is_told():
    b = await registered()
    await b.unit.lose()
    station = b.unit.world.station
    for _ in range(50):
        station.tell(station.connectors[0], station.clock.now())
        station.tell(station.connectors[1], station.clock.now())
    await b.up()  # (0, 1 and 2, once)
    await b.passes(1)
    assert b.calls == []


async def test_heartbeats_are_never_queued():
    b = await registered()
    await b.unit.lose()
    await b.passes(2000)
    for queue in b.unit.world.station.journal._samples:
        while queue.peek():
            queue.pop(queue.peek()[0])
    await b.up()
    await b.passes(3)
    assert b.actions() == ["Heartbeat"]  # (the one that is due: the clock needs it)
    await b.answer()
    await b.passes(5)
    await b.answer()  # (of that the clock was moved by half an hour)
    await b.passes(50)
    assert b.actions() == ["Heartbeat", "SecurityEventNotification"]


async def test_statuses_that_nobody_takes():
    """The queue is bounded, and the last status of each connector stays in it."""
    b = await registered()
    station = b.unit.world.station
    station.tell(station.connectors[1], station.clock.now())
    await b.passes(1)
    b.calls.clear()  # (not answered)
    c = station.connectors[1]
    c.state = states.FAULTED
    station.tell(c, station.clock.now())
    for _ in range(100):
        station.tell(station.connectors[0], station.clock.now())
        assert await b.ask("ChangeAvailability", {"connectorId": 0, "type": "Operative"})
    assert len(station.news) == 32
    assert [n.state for n in station.news if n.number == 2] == [states.FAULTED]
    assert {n.number for n in station.news} == {0, 1, 2}


# Jobs


DIAGNOSTICS = "DiagnosticsStatusNotification"


def told(b):
    return [call[3]["status"] for call in b.calls if call[2] == DIAGNOSTICS]


async def trigger(b):
    b.calls.clear()
    await b.ask("TriggerMessage", {"requestedMessage": DIAGNOSTICS})
    said = told(b)
    await b.answer()
    return said


async def test_what_a_job_comes_to_is_told_in_order():
    b = await registered()
    note = lambda *job: jobs.note(b.unit.outbox, *job)  # noqa: E731
    assert await trigger(b) == ["Idle"]
    b.calls.clear()
    note(DIAGNOSTICS, "Uploading", "a.txt")
    note(DIAGNOSTICS, "Uploaded")
    note(DIAGNOSTICS, "Uploading", "b.txt")
    for n in (1, 2, 3):
        await b.passes(1)
        assert told(b) == ["Uploading", "Uploaded", "Uploading"][:n]
        await b.answer()
    await b.passes(5)
    assert len(b.calls) == 3
    assert await trigger(b) == ["Uploading"]  # it runs
    b.calls.clear()
    note(DIAGNOSTICS, "UploadFailed")
    await b.passes(1)
    assert told(b) == ["UploadFailed"]
    await b.refuse()  # (which is an answer)
    await b.passes(60)
    assert len(b.calls) == 1
    assert await trigger(b) == ["Idle"]


async def test_what_a_job_came_to_offline_is_told_on_the_next_connection():
    b = await registered()
    note = lambda *job: jobs.note(b.unit.outbox, *job)  # noqa: E731
    b.calls.clear()
    note(DIAGNOSTICS, "Uploading", "a.txt")
    await b.passes(1)
    assert told(b) == ["Uploading"]
    await b.unit.lose()  # before it is answered
    note(DIAGNOSTICS, "UploadFailed")
    b.calls.clear()
    await b.up()
    for expected in (["Uploading"], ["Uploading", "UploadFailed"]):
        await b.passes(1)
        assert told(b) == expected
        await b.answer()
    # The latest eight, should there be more.
    await b.unit.lose()
    for n in range(9):
        note(DIAGNOSTICS, "Uploading" if n < 7 else "Uploaded")
    b.calls.clear()
    await b.up()
    for _ in range(8):
        await b.passes(1)
        await b.answer()
    await b.passes(5)
    assert told(b) == ["Uploading"] * 6 + ["Uploaded"] * 2


async def test_what_a_job_came_to_is_told_twice_to_who_is_silent():
    b = await registered()
    b.calls.clear()
    jobs.note(b.unit.outbox, DIAGNOSTICS, "Uploaded")
    await b.passes(WAIT_s + 1)
    assert told(b) == ["Uploaded"] * 2
    await b.passes(WAIT_s)
    assert told(b) == ["Uploaded"] * 2
