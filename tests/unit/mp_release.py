"""firmware/release.py: a file that arrives, in any pieces, over broken connections; what is
refused and why, with nothing of the running slot touched; power cuts at each flash operation."""

import asyncio
import gc
import hashlib
import os
import sys
from binascii import crc32

import mp_boot
from mp_boot import HARD, SOFT, boot, image, made, partition, read, record, two_slots
from rig import seeded
from turns import turns_of_others

import firmware
from firmware import crash, release, slots

HEAP = "2M"
BOTH = True
SWEEPS = (
    "test_every_flipped_bit_is_refused",
    "test_cuts_nothing_of_the_operation_happens",
    "test_cuts_part_of_it_happens",
    "test_cuts_all_of_it_happens",
)
IMAGE = 1
MPY = int(str(sys.implementation).split("_mpy=")[1].split(")")[0].split(",")[0]) & 255
REAL = release.sys
BLOCKS = 64  # of the flash


def number(n, size):
    return n.to_bytes(size, "little")


def pack(payload, kind=IMAGE, chip="", least=(1, 26, 1), mpy=MPY, **more):
    """As tools/host/release.py makes it; more: signature, magic, format, digest, size."""
    signature = more.get("signature", b"")
    head = more.get("magic", b"PWUP") + bytes((more.get("format", 1), kind, mpy, 0))
    head += bytes(least) + b"\0" + (chip.encode() + bytes(12))[:12]
    head += (b"0.2.0" + bytes(24))[:24] + number(more.get("size", len(payload)), 4)
    head += number(1, 2) + number((len(payload) + 4095) // 4096, 2)
    head += number(len(signature), 2) + bytes(6)
    head += more.get("digest", hashlib.sha256(payload).digest()) + signature
    return head + number(crc32(head), 4) + payload


def version(n, more=0):
    """The stand-in of mp_boot, as a release, with so many bytes more."""
    return pack(made(n, more="#" * more))


def small():
    return pack(image(20), signature=b"sig")


async def take(data, pieces=(2048,), sink=None, size=-1):
    """All of it at once; -> the sink."""
    sink = sink or release.Release()
    sink.begin(0, len(data) if size == -1 else size)
    view, i = memoryview(data), 0
    while len(view):
        n = pieces[i % len(pieces)]
        await sink.write(view[:n])
        view, i = view[n:], i + 1
    return sink


async def refused(data, size=-1, **options):
    sink = release.Release(**options)
    try:
        await take(data, size=size, sink=sink)
    except ValueError as e:
        return str(e)
    finally:
        try:
            sink.close()
        except OSError:
            pass
    return sink.end()


def fresh(text="a b", blocks=None):
    chip = two_slots(text, 2, blocks or BLOCKS)
    assert boot() == (2 if text[0] == "b" else 1)
    return chip


async def test_an_image_arrives_as_a_file_in_any_pieces():
    random = seeded("mp_release")
    data = version(7)
    for pieces in ((1,), (2048,), (95,), (7, 300), [random.randrange(1, 900) for _ in range(9)]):
        fresh()
        sink = await take(data, pieces)
        assert sink.end() == "b" and sink.at == len(data) and sink.version == "0.2.0"
        assert read("/slot") == "a", "nothing falls back to it before it is switched to"
        slots.switch("b")
        assert boot(HARD) == 7
        assert read("/slot") == "b a 2"


async def test_a_download_goes_on_where_it_broke_off():
    """Where the server can; or from the start, and what was there is skipped."""
    random = seeded("mp_release")
    data = version(8)
    for _ in range(12):
        fresh()
        sink = release.Release()
        while not sink.end():
            at = random.choice((0, sink.at))
            sink.begin(at, random.choice((None, len(data))))
            upto = random.randrange(at, len(data) + 1)
            for i in range(at, upto, 500):
                await sink.write(memoryview(data)[i : min(i + 500, upto)])
        assert sink.end() == "b"
        slots.switch("b")
        assert boot(HARD) == 8


async def test_what_comes_again_is_skipped_once():
    data = version(8)
    for upto in (1, 499, 500, 501, 700, len(data) - 1):
        fresh()
        sink = release.Release()
        sink.begin(0, None)
        for i in range(0, upto, 500):
            await sink.write(memoryview(data)[i : min(i + 500, upto)])
        assert sink.at == upto and not sink.end()
        assert (await take(data, (500,), sink)).end() == "b"


async def test_all_else_has_its_turn():
    """After each piece that is written or read back; of a folder that an earlier build had as the
    slot, after each file."""
    fresh()
    data = version(8)
    turns, _ = await turns_of_others(take(data, (100,)))
    print("%d turns" % turns)
    assert turns > len(data) // 100 + len(data) // 512
    fresh()
    os.remove("/b.rom")
    os.mkdir("/b")
    mp_boot.install_files("/b", 2)
    again, sink = await turns_of_others(take(data, (100,)))
    assert sink.end() == "b" and again >= turns + 4 - 1
    assert "b" not in os.listdir("/")


async def test_how_much_there_may_be():
    """All but what is left to the journal; one byte more is refused."""
    fresh()
    room = (os.statvfs("/")[3] + slots.takes("b") - 12) * 4080
    whole = image(room)
    assert await refused(pack(whole)) == "b"
    fresh()
    said = await refused(pack(image(room + 1)))
    assert said == "it is too large: it has %d bytes, there is room for %d" % (room + 1, room)
    assert boot() == 1 and read("/slot") == "a b"


async def test_bytes_that_are_missing_in_between():
    sink = release.Release()
    sink.begin(0, None)
    await sink.write(b"PWUP")
    try:
        sink.begin(5, None)
    except ValueError as e:
        assert str(e) == "its bytes from 4 to 5 are missing"
    else:
        raise AssertionError


async def test_what_is_refused_before_anything_is_erased():
    fresh()
    payload = image(100)
    said = tuple(sys.implementation.version[:3])
    there = "%d.%d.%d" % said
    least = "it needs MicroPython 9.0.0, this is " + there
    reads = "its .mpy files have version %d, this MicroPython reads %d" % (MPY + 1, MPY)
    for data, why in (
        (b"<html>404</html>" * 20, "it is no .upd that make release has made"),
        (pack(payload, format=2), "its format is 2, this firmware reads 1"),
        (pack(payload, 0), "it is one of before, in single files: make release anew"),
        (pack(payload, least=(9, 0, 0)), least),
        (pack(payload, mpy=MPY + 1), reads),
        (pack(image(BLOCKS * 4096)), "it is too large: it has 262144 bytes, there is room for "),
        (pack(b""), "it is damaged"),
        (pack(payload, signature=bytes(513)), "it is damaged"),
    ):
        assert (await refused(data)).startswith(why), (why, await refused(data))
    good = pack(payload)
    why = "it has %d bytes, its header says %d"
    for size in (len(good) - 1, len(good) + 1):
        assert await refused(good, size) == why % (size, len(good))
    for signature in (b"", bytes(64)):
        data = pack(payload, signature=signature)
        check = Check("its maker is not that of this unit")
        assert await refused(data, signed=True) == check.why
        assert check.asked == (data[:96], signature)
    assert boot() == 1
    slots.switch("b")
    assert boot(HARD) == 2, "the other slot is whole, too"


class Check:
    """firmware/signatures.py (mp_signatures.py): refuses with `why`, or accepts; for one time."""

    def __init__(self, why=None):
        self.why, self.asked = why, None
        sys.modules["firmware.signatures"] = firmware.signatures = self

    async def check_header(self, head, signature):
        self.asked = bytes(head), bytes(signature)
        if self.why:
            raise ValueError(self.why)


async def test_one_that_its_maker_has_signed():
    fresh()
    data = pack(image(30), signature=bytes(range(64)))
    check = Check()
    sink = await take(data, (7,), release.Release(True))
    assert sink.end() == "b" and check.asked == (data[:96], bytes(range(64)))
    assert sink.digest() == hashlib.sha256(data).digest()


class Sys:
    """Another chip's sys."""

    def __init__(self, machine):
        self.implementation = self
        self.version = REAL.implementation.version
        self.text = "(name='micropython', _machine='%s', _mpy=%d)" % (machine, MPY)

    def __str__(self):
        return self.text


async def test_the_chip_that_it_is_for():
    payload = image(30)
    for machine, this in (
        ("Generic ESP32 module with ESP32", "ESP32"),
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "ESP32S3"),
        ("ESP32-C3 module with ESP32-C3", "ESP32C3"),
        ("linux [GCC 14.2.1] version", "unknown chip"),
    ):
        for chip in ("", "ESP32", "ESP32S3", "ESP32C3"):
            fresh()
            release.sys = Sys(machine)
            try:
                said = await refused(pack(payload, chip=chip))
            finally:
                release.sys = REAL
            if chip in ("", this):
                assert said == "b"
            else:
                assert said == "it is for an %s, this is an %s" % (chip, this)


async def test_an_image_that_is_none():
    """Its header says what it is, but its own CRC-32 is another: nothing would boot it."""
    for payload in (b"x", image(5000)[:-1], image(5000) + b"\0", bytes(5000)):
        fresh()
        assert await refused(pack(payload)) == "/b.rom is not a whole image"
        assert boot() == 1 and read("/slot") == "a"


async def test_every_flipped_bit_is_refused():
    """In any byte, and every length that is not its own; the slot that runs is as it was."""
    good = small()
    fresh()
    assert await refused(good) == "b"
    for i in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[i] ^= 1 << bit
            said = await refused(bad)
            assert said not in ("a", "b"), (i, bit)
    for size in range(len(good)):
        for known in (-1, None):
            assert await refused(good[:size], known) not in ("a", "b"), size
    assert await refused(good + b"x", None) == "it is longer than its header says"
    assert boot() == 1


async def test_a_flash_that_does_not_hold():
    chip = fresh()
    data = version(9)
    chip.on()
    await take(data)
    for at in range(0, chip.ops, 7):
        chip = fresh()
        chip.on()
        chip.fails_at = at
        said = await refused(data)
        # (LittleFS takes another block where it can)
        assert said == "b" or said.startswith(("the flash: ", "/b.rom is not")), said
        assert boot(SOFT) == 1 or said == "b"


def cuts(tear):
    """The power fails at each flash operation of an update over the network."""
    chip = two_slots("a b", 1, BLOCKS)
    blank = bytes(chip.data)
    data = version(3, 9000)

    def update():
        assert boot(SOFT) == 1
        slots.switch(asyncio.run(take(data, (700,))).end())
        assert boot(HARD) == 3
        crash.clear()

    chip.on()
    update()
    total, seen = chip.ops, {1: 0, 3: 0}
    for cut in range(total):
        chip.restore(blank)
        mp_boot.mount(chip)
        chip.dies_at, chip.tear = cut, tear
        try:
            update()
        except (OSError, ValueError, AssertionError):
            assert chip.dead
        gc.collect()
        if not chip.dead:
            continue
        chip.on()
        mp_boot.mount(chip)
        version_now = boot()
        assert version_now in seen, (tear, cut, version_now, read("/slot"))
        seen[version_now] += 1
        for _ in range(4):
            last = boot(HARD)
            assert last in (version_now, 1), (cut, last)
    print("%d/8 happen: %d operations, then %r boots" % (tear, total, seen))
    assert seen[1] > 20 and seen[3] > 1


def test_cuts_nothing_of_the_operation_happens():
    cuts(0)


def test_cuts_part_of_it_happens():
    cuts(3)


def test_cuts_all_of_it_happens():
    cuts(8)


# An image


async def test_an_image_arrives_in_any_pieces():
    random = seeded("mp_release")
    two_slots("rom")
    for size in (8, 4096, 4100, 3 * 4096):
        for text, name, at in (("rom", "rom2", 3), ("rom2 rom", "rom", 0)):
            record(text)
            sys.path[:1] = ["/" + text.split()[0]]
            part, payload = partition(), image(size)
            data = pack(payload)
            pieces = [random.randrange(1, 2049) for _ in range(7)]
            sink = await take(data, pieces)
            assert sink.end() == name
            assert part.data[at * 4096 : at * 4096 + size] == payload
            other = 3 - at
            assert part.data[other * 4096 : other * 4096 + 3 * 4096] == b"\xff" * 3 * 4096
            assert read("/slot") == text.split()[0]
    sys.path[:1] = ["/rom"]
    part = partition()
    before = bytes(part.data)
    big = image(3 * 4096 + 1)
    assert (await refused(pack(big))).startswith("it is too large: it has 12289 bytes")
    assert part.data == before


async def test_an_image_that_the_flash_does_not_hold():
    two_slots("rom rom2")
    sys.path[:1] = ["/rom"]
    part = partition()
    part.bad = 4
    said = await refused(pack(image(9000)))
    assert said == "the flash: block 4 of the partition romfs does not hold"
    assert read("/slot") == "rom", "nothing falls back to it"


async def test_what_it_takes_of_the_heap():
    """Below 8 KB, with the block of the flash."""
    two_slots("rom")
    sys.path[:1] = ["/rom"]
    partition()
    payload = image(3 * 4096)
    data = memoryview(pack(payload))
    gc.collect()
    before = most = gc.mem_alloc()
    sink = release.Release()
    sink.begin(0, len(data))
    for i in range(0, len(data), 2048):
        await sink.write(data[i : i + 2048])
        gc.collect()
        most = max(most, gc.mem_alloc())
    print("%d bytes" % (most - before))
    assert sink.end() == "rom2" and most - before < 6500
