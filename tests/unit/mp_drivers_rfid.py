"""RFID readers, register by register (RC522) and frame by frame (PN532)."""

import sys

from turns import calls_in_a_row

sys.path[:0] = ["tools", "tools/sim/esp32"]


import bus

from firmware.drivers import pn532, rc522
from sim.devices import rc522 as chip
from sim.devices.line import Line

HEAP = "256K"
FOUR = bytes((0xDE, 0xAD, 0x0B, 0xEF))
SEVEN = bytes((0x04, 0x88, 0x1A, 0, 0xFF, 0x5C, 0x80))
TEN = bytes(range(0x20, 0x2A))
UIDS = (FOUR, SEVEN, TEN)


class Spi:
    CHIP = "ESP32"
    CONNECTORS = (dict(pilot=27, sense=36, contactor=33),)
    RC522 = {"id": 2, "sck": 18, "mosi": 23, "miso": 19, "cs": 5, "rst": 4}


class Uart:
    CHIP = "ESP32"
    CONNECTORS = Spi.CONNECTORS
    PN532 = {"id": 1, "tx": 25, "rx": 26}


def readers():
    line = Line(Spi)
    yield line.panel.reader, rc522.Reader(**Spi.RC522)
    line = Line(Uart)
    yield line.panel.reader, pn532.Reader(**Uart.PN532)


def text(uid):
    return "".join(["%02X" % byte for byte in uid])


async def test_uids_of_every_length():
    for device, reader in readers():
        assert await reader.poll() is None
        for uid in UIDS:
            device.put(uid)
            for _ in range(3):  # as long as it lies there
                assert await reader.poll() == text(uid), text(uid)
            device.put()
            assert await reader.poll() is None


async def test_two_cards_are_none():
    for device, reader in readers():
        for pair in ((FOUR, SEVEN), (FOUR, bytes((1, 2, 3, 4))), (SEVEN, SEVEN[:5] + b"\1\2")):
            device.put(*pair)
            assert await reader.poll() is None
            device.put(pair[0])
            await reader.poll()  # (a card that was asked half-way wants to be asked again)
            assert await reader.poll() == text(pair[0])


async def test_a_reader_that_is_lost_comes_back():
    for device, reader in readers():
        device.put(SEVEN)
        device.lost = True
        for _ in range(3):
            assert await reader.poll() is None
        device.lost = False
        await reader.poll()
        assert await reader.poll() == text(SEVEN)
        device.lost = True
        assert await reader.poll() is None
        device.lost = False
        await reader.poll()
        assert await reader.poll() == text(SEVEN)


async def test_polling_leaves_the_tick_its_time():
    for device, reader in readers():
        device.put(TEN)
        await reader.poll()
        calls, uid = await calls_in_a_row(bus, reader.poll())
        assert uid == text(TEN)
        device.lost = True
        lost, _ = await calls_in_a_row(bus, reader.poll())
        # One is 16 us on the ESP32's SPI, and its UART does not wait.
        assert 0 < max(calls, lost) < 150, (calls, lost)


# RC522


async def test_damaged_answers_of_a_card():
    line = Line(Spi)
    reader = rc522.Reader(**Spi.RC522)
    damages = [(0x93, i) for i in range(5)] + [(0x95, i) for i in range(5)] + [(0x52, 5)]
    for command, at in damages:
        line.panel.reader.put(SEVEN)
        (card,) = line.panel.reader.cards
        card.garble = (command, at)
        wrong = await reader.poll()
        assert wrong is None or command == 0x52, (command, at, wrong)
        card.garble = None
        await reader.poll()
        assert await reader.poll() == text(SEVEN), (command, at)


async def test_a_select_that_is_damaged_only_in_its_crc():
    line = Line(Spi)
    reader = rc522.Reader(**Spi.RC522)
    for at in range(3):
        line.panel.reader.put(FOUR)
        (card,) = line.panel.reader.cards
        hear = card._hear

        def damaged(data, bits, hear=hear, at=at):
            answer = hear(data, bits)
            if data[1:2] == b"\x70":
                answer = answer[:at] + bytes((answer[at] ^ 0x10,)) + answer[at + 1 :]
            return answer

        card._hear = damaged
        assert await reader.poll() is None, at


async def test_a_card_that_goes_away_half_way():
    line = Line(Spi)
    reader = rc522.Reader(**Spi.RC522)
    for heard in range(1, 5):
        line.panel.reader.put(SEVEN)
        (card,) = line.panel.reader.cards
        hear = card._hear

        def leaving(data, bits, hear=hear):
            nonlocal heard
            heard -= 1
            return hear(data, bits) if heard >= 0 else b""

        card._hear = leaving
        assert await reader.poll() is None


async def test_a_reader_that_was_reset_by_a_disturbance():
    line = Line(Spi)
    reader = rc522.Reader(**Spi.RC522)
    line.panel.reader.put(FOUR)
    assert await reader.poll() == text(FOUR)
    line.panel.reader._reset()
    assert await reader.poll() == text(FOUR)


async def test_a_bus_that_is_stuck():
    Line(Spi)
    reader = rc522.Reader(**Spi.RC522)

    class Stuck:
        def __init__(self, byte):
            self.byte = byte

        def write_readinto(self, out, into):
            into[0] = into[1] = self.byte

    for byte in (0x00, 0xFF, 0x83, 0x20, 0x30):
        reader._spi = Stuck(byte)
        assert await reader.poll() is None, byte


def test_crc_of_iso_14443():
    for data, crc in (
        (b"\0\0", b"\xa0\x1e"),
        (b"\x12\x34", b"\x26\xcf"),
        (b"\x50\0", b"\x57\xcd"),
    ):
        assert rc522.with_crc(data) == data + crc  # the first two: annex B of part 3
    for uid in UIDS:
        assert rc522.with_crc(uid) == chip.with_crc(uid)


# PN532


async def test_damaged_frames():
    line = Line(Uart)
    reader = pn532.Reader(**Uart.PN532)
    device = line.panel.reader
    device.put(SEVEN)
    assert await reader.poll() == text(SEVEN)
    for at in range(6 + 7 + 2 + 6 + 7 - 1):
        device.garble = at
        assert await reader.poll() is None, at
        device.garble = None
        assert await reader.poll() == text(SEVEN), at


async def test_answers_that_are_no_card():
    for found in (b"", b"\x01", b"\x01\x01\0\x04\x08", b"\x03\x01\0\x04\x08\x04abcd"):
        await not_a_card(found)
    await not_a_card(b"\x01\x01\0\x04\x08\x05abcde")
    await not_a_card(b"\x01\x01\0\x04\x08\x07abcd")


async def not_a_card(found):
    line = Line(Uart)
    reader = pn532.Reader(**Uart.PN532)
    device = line.panel.reader
    carry_out = device._carry_out
    device._carry_out = lambda command, data: (
        found if command == 0x4A else carry_out(command, data)
    )
    assert await reader.poll() is None, found


async def test_a_card_with_more_to_say():
    # an answer to select (ATS) follows the uid of a card of type 4
    line = Line(Uart)
    reader = pn532.Reader(**Uart.PN532)
    carry_out = line.panel.reader._carry_out
    ats = b"\x01\x01\x03\x44\x20\x07" + SEVEN + b"\x06\x75\x77\x81\x02\x80"
    line.panel.reader._carry_out = lambda command, data: (
        ats if command == 0x4A else carry_out(command, data)
    )
    assert await reader.poll() == text(SEVEN)


def test_frames():
    # UM0701-02: SAMConfiguration
    assert pn532.frame(b"\xd4\x14\x01\x00") == b"\0\0\xff\x04\xfc\xd4\x14\x01\0\x17\0"
