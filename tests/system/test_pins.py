"""The simulated chip has the pins of its module, and says what MicroPython's ESP32 port says of
all others. That firmware/check_board.py refuses those first says mp_boards.py."""

import pytest
from vboard_driver import Board, Listener

TRY = """
import network
from machine import ADC, PWM, UART, Pin
from onewire import OneWire
for text in %r.split("; "):
    try:
        print(text, "->", eval(text) is None)
    except Exception as e:
        print(text, "->", type(e).__name__, *e.args)
"""
SAYS = {
    "reference": """
Pin(16) -> False
Pin(24) -> ValueError invalid pin
Pin(34, Pin.OUT) -> ValueError pin can only be input
Pin(34, Pin.IN, Pin.PULL_UP) -> ValueError GPIO 34 has no pull
Pin(34, Pin.IN) -> False
PWM(Pin(39), freq=1000, duty_u16=0) -> OSError -258 ESP_ERR_INVALID_ARG
UART(2, 9600, tx=35, rx=34) -> OSError 1 ESP_FAIL
OneWire(Pin(35)) -> ValueError pin can only be input
ADC(Pin(18)) -> ValueError invalid pin
ADC(Pin(4)).read_uv() -> False
network.WLAN().active(True) -> False
ADC(Pin(4)).read_uv() -> OSError 116 ESP_ERR_TIMEOUT
ADC(Pin(32)).read_uv() -> False""",
    "wrover_full": """
Pin(16) -> ValueError invalid pin
Pin(17, Pin.OUT) -> ValueError invalid pin
Pin(18) -> False""",
    "devkitc_s3": """
Pin(22) -> ValueError invalid pin
Pin(30) -> ValueError invalid pin
Pin(33) -> ValueError invalid pin
Pin(48, Pin.OUT) -> False
ADC(Pin(10)) -> False""",
    "ee_s2_da": """
Pin(26, Pin.OUT) -> ValueError invalid pin
Pin(46, Pin.OUT) -> ValueError pin can only be input
UART(2, 9600, tx=1, rx=2) -> ValueError UART(2) does not exist""",
}


@pytest.mark.parametrize("board", SAYS)
async def test_what_the_port_says(tmp_path, board):
    said = SAYS[board].strip()
    tried = "; ".join(line.split(" -> ")[0] for line in said.splitlines())
    async with Board(tmp_path, "--board", board) as b:
        assert (await b.mpremote("exec", TRY % tried)).strip() == said


async def test_who_drives_a_pin_of_the_flash_stops_the_chip(tmp_path):
    async with Board(tmp_path) as b:
        assert await b.eval("__import__('machine').Pin(6)") != ""  # to look at it does nothing
        with Listener(b.port) as line:
            await b.mpremote("exec", "--no-follow", "import machine; machine.Pin(6, 3)")
            await line.until("TG1WDT_SYS_RESET")
