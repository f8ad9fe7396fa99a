"""The same session in both languages: what begins it and what ends it, when, and with how much
energy; a table of what OCPP 1.6 and 2.0.1 call its end."""

import json

from world import T0, World

from firmware.clock import parse_iso
from firmware.electrical import faults, pilot
from firmware.ocpp.v16 import messages as v16
from firmware.ocpp.v201 import messages as v201
from firmware.station import states
from firmware.storage.journal import START

HEAP = "800K"

A, B, C = pilot.A, pilot.B, pilot.C


def run(w, s):
    """`s` seconds in which the meter counts."""
    for _ in range(s):
        if w.c.controller.closed:
            w.meters[0].energy_Wh += 3
        w.poll(1000)
        w.station.metering.poll(w.clock.now(), w.clock.known(), 1000)


def power_loss(w):
    w.electrics[0].state = A
    wanted = w.journal.wanted
    w.boot()
    w.journal.wanted = wanted
    w.ready(online=True)


def denied(w):
    w.c.tx.denied = True
    w.c.stop(states.REFUSED)


STOP = "EmergencyStop"
# What ends a session: in OCPP 1.6 its reason, in 2.0.1 its trigger and reason.
ENDS = (
    (lambda w: w.access().tag("TAG", 1), "Local", "StopAuthorized", "Local"),
    (lambda w: w.c.stop(states.REMOTE), "Remote", "RemoteStop", "Remote"),
    (lambda w: w.car(A, 0), "EVDisconnected", "EVCommunicationLost", "EVDisconnected"),
    (power_loss, "PowerLoss", "AbnormalCondition", "PowerLoss"),
    (lambda w: w.fault(faults.RESIDUAL, 0), "Other", "AbnormalCondition", "GroundFault"),
    (lambda w: w.fault(faults.WELDED, 0), "Other", "AbnormalCondition", "Other"),
    (
        lambda w: w.fault(faults.INTERLOCK, 0),
        "EmergencyStop",
        "AbnormalCondition",
        "EmergencyStop",
    ),
    (lambda w: w.c.stop(states.SOFT_RESET), "SoftReset", "ResetCommand", "Reboot"),
    (lambda w: w.c.stop(states.HARD_RESET), "HardReset", "ResetCommand", "ImmediateReset"),
    (lambda w: w.c.stop(states.UNLOCK), "UnlockCommand", "UnlockCommand", "Other"),
    (denied, "DeAuthorized", "Deauthorized", "DeAuthorized"),
    (lambda w: w.c.stop(states.MASTER, "CHIEF"), "Local", "StopAuthorized", "MasterPass"),
)


def session(messages, end):
    """What is told of one, as the Central System hears it."""
    w = World(sample_s=10)
    w.journal.wanted = messages.ACTIONS[-1]
    w.ready(online=True)
    w.car(B, 1500)
    w.accept("TAG", 1500)
    w.car(C, 0)
    run(w, 30)
    w.car(B, 0)
    run(w, 20)
    w.car(C, 0)
    run(w, 33)
    end(w)
    run(w, 5)
    assert not w.c.tx
    told = []
    while w.journal.head():
        kind, tx, values = w.journal.head()
        action, payload = messages.event(kind, tx, values, w.station)
        told.append((action, json.loads("".join(payload())) if callable(payload) else payload))
        if kind == START:
            messages.started(tx, w.journal.seq)
            w.journal.answered(tx, messages.number({"transactionId": 7}))
        w.journal.done()
    return told


def energy(p):
    return p["meterValue"][-1]["sampledValue"][0]["value"]


def test_the_same_session_in_both_languages():
    for end, reason, trigger, reason201 in ENDS:
        first, then = session(v16, end), session(v201, end)
        begun, over = first[0][1], first[-1][1]
        begun201, over201 = then[0][1], then[-1][1]
        assert begun["idTag"] == begun201["idToken"]["idToken"] == "TAG"
        assert begun["timestamp"] == begun201["timestamp"], reason
        assert over["timestamp"] == over201["timestamp"], reason
        assert begun["meterStart"] == energy(begun201) == 1000
        assert over["meterStop"] == energy(over201) > 1150, (reason, over, over201)
        assert parse_iso(over["timestamp"]) - T0 > 80
        assert over["reason"] == reason
        assert over201["triggerReason"] == trigger, (reason, over201)
        assert over201["transactionInfo"]["stoppedReason"] == reason201
        assert over.get("idTag") == over201.get("idToken", {}).get("idToken")
        # Samples are of the same instants, and show the same.
        samples = [p["meterValue"][0] for action, p in first if action == "MeterValues"]
        samples201 = [
            p["meterValue"][0] for _, p in then if p["triggerReason"] == "MeterValuePeriodic"
        ]
        assert len(samples) == len(samples201) >= 8, reason
        for one, other in zip(samples, samples201):
            value, value201 = one["sampledValue"][0], other["sampledValue"][0]
            assert one["timestamp"] == other["timestamp"]
            assert value["value"] == str(value201["value"])
            assert value["measurand"] == value201["measurand"]
            assert value["context"] == value201["context"]
        # What 2.0.1 says beside that fits it.
        numbers = [p["seqNo"] for _, p in then]
        assert numbers == list(range(len(then))), reason
        said = [p["transactionInfo"].get("chargingState") for _, p in then[:-1]]
        said = [state for state in said if state]
        assert said == ["EVConnected", "Charging", "SuspendedEV", "Charging"], (reason, said)
        spent_s = over201["transactionInfo"]["timeSpentCharging"]
        assert (reason == "PowerLoss") or 60 <= spent_s <= 66, (reason, spent_s)
