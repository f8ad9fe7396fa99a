"""What a message costs on a chip: the board's own computing, as tools/station --chip has it."""

import asyncio
import statistics

from bench import measurement, rounds
from bench.station import CHIP_HEAP, charge, daily, station

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

    async def run():
        result = {}
        words = "--chip", CHIP, "--heap", CHIP_HEAP
        async with station(*words) as (process, peer):
            await charge(process, peer)
            await process.command("gauge")
            idle = await gauged(process, asyncio.sleep(rounds(5 * IDLE_s, 2)))
            share = idle["busy_ms"] / idle["world_ms"]
            for name, action, payloads in messages():
                took, step, answer = [], [], []
                for _ in range(rounds(ROUNDS)):
                    seen = await gauged(process, peer.call(action, next(payloads)))
                    took.append(round(seen["busy_ms"] - share * seen["world_ms"]))
                    step.append(seen["step_ms"])
                    answer.append(seen["world_ms"])
                result[f"{name}_ms"] = statistics.median(took)
                result[f"{name}_step_ms"] = statistics.median(step)
                result[f"{name}_answer_ms"] = statistics.median(answer)
        return result

    return asyncio.run(run())
