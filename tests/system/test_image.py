"""make image IMAGE=...: MicroPython, the code and the file system of a unit as one file; and
the table of partitions of ports/esp32."""

import os
import re
import shutil
import struct
from hashlib import md5

import pytest
from station_driver import WAIT_s
from vboard_driver import ID, Board, run

from host.binary import Binary, BinaryError
from host.build import ROOT
from host.csms import CentralSystem
from host.image import make_image, make_whole
from host.romfs import build_image

SECTOR, PROGRAM = 0x1000, 0x10000  # what partitions are aligned to
FLASH = 4 << 20
KINDS = {"app": 0, "data": 1}
CHIPS = {"esp32": 0, "esp32s2": 2, "esp32s3": 9, "esp32c3": 5}
BASE = {"esp32": 0x1000, "esp32s2": 0x1000, "esp32s3": 0, "esp32c3": 0}
STOCK = [
    ("nvs", 1, 0x9000, 0x6000),
    ("phy_init", 1, 0xF000, 0x1000),
    ("factory", 0, 0x10000, 0x1F0000),
]


def proposed():
    """[(label, type, where, size)] of the table in ports/esp32."""
    text = (ROOT / "ports/esp32/PILOTWIRE/partitions.csv").read_text()
    rows = re.findall(r"^(\w+), +(app|data), +\w+, +(0x\w+), +(0x\w+)", text, re.MULTILINE)
    return [(name, KINDS[kind], int(at, 16), int(size, 16)) for name, kind, at, size in rows]


def micropython(chip, table, program=300000):
    """What stands in for MicroPython's .bin: nothing of it runs."""
    entries = b"".join(
        b"\xaa\x50" + struct.pack("<BBII16sI", kind, 2, at, size, name.encode(), 0)
        for name, kind, at, size in table
    )
    entries += b"\xeb\xeb" + b"\xff" * 14 + md5(entries).digest()
    head = struct.pack("<B11xH", 0xE9, CHIPS[chip]).ljust(0x8000 - BASE[chip], b"\xff")
    return (head + entries).ljust(0x10000 - BASE[chip], b"\xff") + b"\xe9" * program


def test_the_proposed_table():
    table = proposed()
    assert [name for name, *_ in table] == ["nvs", "phy_init", "factory", "romfs", "vfs"]
    end = 0x9000  # (behind the table itself)
    for name, kind, at, size in table:
        assert at == end and size % SECTOR == 0, name
        assert kind or at % PROGRAM == 0, name
        end = at + size
    assert end == FLASH
    sizes = {name: size for name, _, _, size in table}
    assert sizes["factory"] >= STOCK[2][3], "as much as MicroPython itself takes for granted"
    assert build_image().stat().st_size <= sizes["romfs"] // 2, "two slots (docs/updates.md)"


GIT = """#!/bin/sh
for last; do :; done
mkdir -p "$last/ports/esp32/boards"
"""
IDF = """#!/bin/sh
exit 1
"""
MAKE = """#!/bin/sh
echo "$@" >> "{folder}/made"
case "$*" in
*submodules | *mpy-cross) ;;
*BOARD=PILOTWIRE)
    mkdir ports/esp32/build-PILOTWIRE
    cp "{folder}/mp.bin" ports/esp32/build-PILOTWIRE/firmware.bin ;;
*) exec {make} "$@" ;;
esac
"""


async def test_the_script_that_builds_micropython(tmp_path):
    """With what stands in for git, ESP-IDF and MicroPython's own make."""
    (tmp_path / "mp.bin").write_bytes(micropython("esp32", proposed()))
    make = MAKE.format(folder=tmp_path, make=shutil.which("make"))
    for name, text in (("git", GIT), ("idf.py", IDF), ("make", make)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    words = [f"PATH={tmp_path}:{os.environ['PATH']}", f"WORK={tmp_path / 'work'}"]
    done = await run("env", *words, "URL=ws://x/y", f"ID={ID}", ROOT / "ports/esp32/build.sh")
    assert not done.returncode, done.stdout
    assert (tmp_path / "work/ports/esp32/boards/PILOTWIRE/mpconfigboard.h").exists()
    assert len((tmp_path / "made").read_text().splitlines()) == 4
    assert "pilotwire.img: 4190208 B, with config.json" in done.stdout


@pytest.mark.parametrize("chip", CHIPS)
async def test_all_in_one_file_boots(tmp_path, chip):
    """In place where there is a partition for it, otherwise from files."""
    table = proposed() if chip in ("esp32", "esp32c3") else STOCK
    path = tmp_path / "mp.bin"
    path.write_bytes(micropython(chip, table))
    size = 0
    if table is STOCK:
        done = await run("make", "-s", "image", f"IMAGE={path}")
        said = re.search("has no partition vfs.*SIZE=(0x[0-9a-f]+) if", done.stdout)
        size = int(said[1], 16)
    cs = CentralSystem()
    await cs.start()
    base, data, name = make_whole(path, size, {"url": cs.url, "id": ID})
    assert (base, name) == (BASE[chip], chip)
    assert data.startswith(path.read_bytes())
    whole = b"\xff" * base + data
    assert len(whole) == FLASH
    parts = {name: whole[at : at + size] for name, _, at, size in table}
    (tmp_path / "flash.img").write_bytes(parts.get("vfs") or whole[0x200000:])
    options = []
    if "romfs" in parts:
        (tmp_path / "rom").write_bytes(parts["romfs"])
        options = ["--romfs", tmp_path / "rom"]
    async with Board(tmp_path, *options) as b:
        st = await cs.wait_station(ID, WAIT_s)
        await st.expect("BootNotification", None, WAIT_s)
        assert ("'/a'" in await b.eval("__import__('sys').path")) == (not options)
    await cs.stop()


def test_a_character_of_its_config_is_there_as_it_was_written():
    """MicroPython's json would make two of an escaped pair."""
    assert "garage \U0001f50c".encode() in make_image(512 * 4096, {"ssid": "garage \U0001f50c"})


def test_what_is_no_micropython_for_it(tmp_path):
    good = micropython("esp32", proposed())
    where = 0x8000 - BASE["esp32"]
    small = [*proposed()[:3], ("romfs", 1, 0x200000, 0x20000)]  # MicroPython's own table for ROMFS
    for data, says in (
        (b"PK" + good[2:], "is no image for an ESP32"),
        (good[:8], "is no image for an ESP32"),
        (good[:12] + b"\x0d" + good[13:], "is for chip number 13, not one of esp32, esp32c3"),
        (good[:where], "table of partitions is missing or damaged"),
        (good[: where + 9] + b"\1" + good[where + 10 :], "missing or damaged"),
        (micropython("esp32", proposed(), 0x200000), "is longer than its program may be"),
        (micropython("esp32", small), "romfs: 169000 B, its partition has 131072"),
    ):
        (tmp_path / "mp.bin").write_bytes(data)
        with pytest.raises(BinaryError, match=says):
            Binary(tmp_path / "mp.bin").look().put("romfs", bytes(169000))
    with pytest.raises(BinaryError, match="No such file"):
        Binary(tmp_path / "nothing")
