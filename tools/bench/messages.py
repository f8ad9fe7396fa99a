"""What a message costs on a chip: the board's own computing, as tools/station --chip has it."""

import asyncio
import statistics

from bench import measurement, rounds
from bench.station import CHIP_HEAP, CHIP_HEAP_REPORT, charge, daily, station
from host.csms import V16, V201
from host.process import WAIT_s
from host.profile import in_201
from host.variables import parse_variable

CHIP = "esp32"  # at 240 MHz
ROUNDS = 9
IDLE_s = 4


def profiles(periods):
    number = 0
    while True:
        number += 1
        yield {"connectorId": 1, "csChargingProfiles": daily(10 + number % 2, periods)}


def same(payload):
    while True:
        yield payload


def messages():
    """(name, action, payloads); profiles first, for the composites are of them."""
    day = {"connectorId": 1, "duration": 86400}
    key = {"key": "MeterValueSampleInterval", "value": "60"}
    return (
        ("SetChargingProfile_24", "SetChargingProfile", profiles(24)),
        ("GetCompositeSchedule_24", "GetCompositeSchedule", same(day)),
        ("SetChargingProfile_96", "SetChargingProfile", profiles(96)),
        ("GetCompositeSchedule_96", "GetCompositeSchedule", same(day)),
        ("ClearChargingProfile", "ClearChargingProfile", same({"id": 99})),
        ("GetConfiguration", "GetConfiguration", same({})),
        ("GetConfiguration_1", "GetConfiguration", same({"key": [key["key"]]})),
        ("ChangeConfiguration", "ChangeConfiguration", same(key)),
        ("TriggerMessage", "TriggerMessage", same({"requestedMessage": "MeterValues"})),
        ("DataTransfer", "DataTransfer", same({"vendorId": "x"})),
    )


# What is read and set of OCPP 2.0.1's device model, as often as a request may.
_NAME = "OCPPCommCtrlr.OfflineThreshold"
_MOST = 16


def messages_201():
    """The same in OCPP 2.0.1, for `asked`; a car charges before and behind them."""

    def days(periods):
        for payload in profiles(periods):
            profile = in_201(payload["csChargingProfiles"])
            yield {"evseId": payload["connectorId"], "chargingProfile": profile}

    def several(action, number):
        one = parse_variable(_NAME) | ({"attributeValue": "60"} if action[0] == "S" else {})
        return same({action[0].lower() + action[1:-1] + "Data": [one] * number})

    day = same({"evseId": 1, "duration": 86400})
    token = {"idToken": "TAG1", "type": "Central"}
    return (
        ("SetChargingProfile_24", "SetChargingProfile", days(24)),
        ("GetCompositeSchedule_24", "GetCompositeSchedule", day),
        ("SetChargingProfile_96", "SetChargingProfile", days(96)),
        ("GetCompositeSchedule_96", "GetCompositeSchedule", day),
        ("ClearChargingProfile", "ClearChargingProfile", same({"chargingProfileId": 99})),
        *[
            (f"{action}_{number}", action, several(action, number))
            for action in ("GetVariables", "SetVariables")
            for number in (1, _MOST)
        ],
        ("GetBaseReport", "GetBaseReport", same({"requestId": 1, "reportBase": "FullInventory"})),
        ("TriggerMessage", "TriggerMessage", same({"requestedMessage": "TransactionEvent"})),
        ("RequestStopTransaction", "RequestStopTransaction", same(None)),
        (
            "RequestStartTransaction",
            "RequestStartTransaction",
            same({"idToken": token, "remoteStartId": 1, "evseId": 1}),
        ),
    )


# By request of OCPP 2.0.1: what has to follow the answer.
FOLLOWS = {
    "GetBaseReport": ("NotifyReport", lambda p: not p.get("tbc")),
    "TriggerMessage": ("TransactionEvent", lambda p: p["triggerReason"] == "Trigger"),
    "RequestStopTransaction": ("TransactionEvent", lambda p: p["eventType"] == "Ended"),
    "RequestStartTransaction": (
        "TransactionEvent",
        lambda p: p["transactionInfo"]["chargingState"] == "Charging",
    ),
}


async def asked(peer, action, payload):
    """The answer to a request of OCPP 2.0.1, and what follows it; of a stop `payload` is None: the
    latest transaction."""
    since = peer.mark()
    if payload is None:
        payload = {"transactionId": list(peer.transactions)[-1]}
    conf = await peer.call(action, payload, WAIT_s)
    if conf.get("status", "Accepted") not in ("Accepted", "Unknown"):
        raise RuntimeError(f"{action}: {conf}")
    if action in FOLLOWS:
        await peer.expect(*FOLLOWS[action], WAIT_s, since)


async def gauged(process, wait):
    """The gauge of what happens until `wait` is over; in ms of computing."""
    await process.command("gauge")
    await wait
    return await process.command("gauge")


async def idle(connectors):
    """% that loop and tick take, and the ms that two ticks are apart at most, while nothing is
    asked: without a car, and while one charges at each of so many connectors."""
    result = {}
    words = "--chip", CHIP, "--heap", CHIP_HEAP
    async with station(*words, connectors=connectors) as (process, peer):
        for name in ("no_car", "charging"):
            if name == "charging":
                for number in range(1, connectors + 1):
                    await charge(process, peer, number)
            spans = [await gauged(process, asyncio.sleep(IDLE_s)) for _ in range(rounds(5))]
            for what in ("busy", "tick"):
                share = [100 * seen[what + "_ms"] / seen["world_ms"] for seen in spans]
                result[f"{name}_{what}_percent"] = round(statistics.median(share), 1)
            result[f"{name}_gap_ms"] = max(seen["gap_ms"] for seen in spans)
    return result


@measurement
def idle_chip():
    """Of an ESP32 at 240 MHz (a model, never measured on one), with one connector and with four;
    medians of some seconds each."""
    return {f"{n}_connectors": asyncio.run(idle(n)) for n in (1, 4)}


@measurement
def messages_chip_ms():
    """Medians in ms of an ESP32 at 240 MHz (a model, never measured on one) while a car charges:
    what a message has computed beyond what the chip computes without one, the tick left out; the
    longest step of the loop; until the answer is there."""
    return asyncio.run(measured(V16))


@measurement
def messages_chip_201_ms():
    """The same in OCPP 2.0.1, with what follows the answer: a report, the events of a
    transaction."""
    return asyncio.run(measured(V201))


async def measured(language):
    result, seen = {}, {}
    words = "--chip", CHIP, "--heap", CHIP_HEAP if language is V16 else CHIP_HEAP_REPORT
    async with station(*words, language=language) as (process, peer):
        await charge(process, peer)
        await process.command("gauge")
        idle = await gauged(process, asyncio.sleep(rounds(5 * IDLE_s, 2)))
        share = idle["busy_ms"] / idle["world_ms"]
        async for name, one in each(language, process, peer, rounds(ROUNDS)):
            seen.setdefault(name, []).append(one)
    for name, those in seen.items():
        took = [round(one["busy_ms"] - share * one["world_ms"]) for one in those]
        result[f"{name}_ms"] = statistics.median(took)
        result[f"{name}_step_ms"] = statistics.median([one["step_ms"] for one in those])
        result[f"{name}_answer_ms"] = statistics.median([one["world_ms"] for one in those])
    return result


async def each(language, process, peer, times):
    """(name, what a gauge has seen of it), for every message so many times. What ends a
    transaction and what begins one take turns."""
    if language is V16:
        for name, action, payloads in messages():
            for _ in range(times):
                yield name, await gauged(process, peer.call(action, next(payloads)))
        return
    every = messages_201()
    for those in [(one,) for one in every[:-2]] + [every[-2:]]:
        for _ in range(times):
            for name, action, payloads in those:
                yield name, await gauged(process, asked(peer, action, next(payloads)))
