"""The interpreters that the unit tests run on are what the tests take them for."""

import asyncio
import gc
import os
import sys
import time
from micropython import const

BOTH = True

_PERIOD_32 = const(1 << 30)


def is_32bit():
    return sys.maxsize == 2**31 - 1


def test_word_size_is_one_of_the_two():
    assert is_32bit() or sys.maxsize == 2**63 - 1, sys.maxsize


def test_ticks_of_the_32_bit_port_wrap_as_on_the_esp32():
    if is_32bit():
        assert time.ticks_add(_PERIOD_32 - 1, 1) == 0


def test_heap_is_as_small_as_asked_for():
    size = gc.mem_alloc() + gc.mem_free()
    asked = (160 if is_32bit() else 320) * 1024
    assert asked * 9 // 10 < size <= asked, size


def test_paths_are_the_repository_and_lib():
    assert sys.path == ["", "lib", "tests/unit", ".frozen"], sys.path
    import firmware

    assert firmware


def test_seed_is_a_small_integer():
    assert 0 <= int(os.getenv("PILOTWIRE_SEED")) < _PERIOD_32


async def test_coroutines_run_under_asyncio():
    seen = []

    async def other():
        seen.append(1)

    task = asyncio.create_task(other())
    await asyncio.sleep_ms(1)
    await task
    assert seen == [1]
