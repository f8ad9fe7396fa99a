# How long something keeps the loop, in turns that others have, or in calls of the chip: in ms of a
# host it would be the host's other work. To be imported before the chip's modules are on sys.path:
# asyncio needs the host's time.

import asyncio


async def turns_of_others(awaitable):
    """-> how many turns another task has until `awaitable` is over, and what it returns"""
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep_ms(0)

    task = asyncio.create_task(others())
    try:
        result = await awaitable
        return turns, result
    finally:
        task.cancel()


async def calls_in_a_row(bus, awaitable):
    """How many calls of the chip `awaitable` makes before it lets others run, at most; and what
    it returns."""
    calls = most = 0
    over = False
    ask = bus.ask

    async def others():
        nonlocal calls, most
        while not over:
            most = max(most, calls)
            calls = 0
            await asyncio.sleep_ms(0)

    def counted(*words):
        nonlocal calls
        calls += 1
        return ask(*words)

    bus.ask = counted
    task = asyncio.create_task(others())
    result = await awaitable
    over = True
    await task
    bus.ask = ask
    return max(most, calls), result
