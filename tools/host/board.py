"""What make does with a board besides deploy, config and doctor: see make help.

python -m host.board repl|logs|backup|erase|micropython PORT
"""

import contextlib
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from host.build import ROOT
from host.port import Port, PortError

DOWNLOAD = "https://micropython.org/download/ESP32_GENERIC/"
# where the first bytes of MicroPython go
OFFSETS = {"esp32": "0x1000", "esp32s2": "0x1000", "esp32s3": "0x0", "esp32c3": "0x0"}
CODE = ("a", "b", "rom", "rom2", "firmware", "lib", "boot.py", "main.py", "slot")
LIST = "import os; print([(e[0], e[1] == 0x4000) for e in os.ilistdir('/')])"


def repl(port):
    """The REPL, or the firmware's console: Ctrl-] leaves it."""
    command = [sys.executable, "-m", "mpremote", "connect", port.name, "resume", "repl"]
    return subprocess.call(command)


def logs(port):
    """Print what the board says, without stopping anything, until Ctrl-C."""
    import serial

    try:
        with serial.serial_for_url(port.name, baudrate=115200, timeout=0.2) as line:
            while True:
                data = line.read(max(1, line.in_waiting))
                sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
                sys.stdout.flush()
    except serial.SerialException as e:
        raise PortError(f"{port.name}: {e}") from None


def backup(port, folder=None):
    """Copy what is this unit's own (config, certificates, profiles, journal, keys: everything but
    the code) from the board; -> the folder. The unit restarts afterwards."""
    folder = Path(folder or ROOT / "build" / f"backup-{datetime.now():%Y%m%d-%H%M%S}")
    entries = [(name, is_folder) for name, is_folder in port.ask(LIST) if name not in CODE]
    folder.mkdir(parents=True)
    folder.chmod(0o700)  # (config.json has passwords)
    words = []
    for name, is_folder in entries:
        words += ["+", "cp", "-r" if is_folder else "-f", f":/{name}", "./"]
    if words:
        port.call(*words[1:], folder=folder)
    port.reset()
    return folder


def esptool(port, *words):
    """Run esptool on a board in its boot loader."""
    if not port.name.startswith(("/dev/", "COM", "rfc2217:")) or port.name.startswith("/dev/pts/"):
        raise PortError(f"{port.name}: esptool needs the serial port of a real chip")
    command = [sys.executable, "-m", "esptool", "--port", port.name, *words]
    print(" ".join(["esptool", *command[3:]]), flush=True)
    if subprocess.call(command):
        raise PortError(
            f"{port.name}: esptool has failed; hold BOOT while you press EN, then try again"
        )


def micropython(port, image, chip):
    """Write a MicroPython image (.bin) at the place where this chip looks for it."""
    if not image:
        raise PortError(
            f"no IMAGE: download a .bin of MicroPython 1.26.1 or newer from {DOWNLOAD} "
            "(or your chip's page there), then make micropython PORT=... IMAGE=FILE"
        )
    if not Path(image).is_file():
        raise PortError(f"{image}: there is no such file")
    if Path(image).open("rb").read(1) != b"\xe9":
        raise PortError(f"{image} is no image for an ESP32 (those begin with E9): take the .bin")
    if chip not in OFFSETS:
        raise PortError(f"CHIP={chip}: one of {', '.join(OFFSETS)} is expected")
    esptool(port, "--chip", chip, "--baud", "460800", "write-flash", OFFSETS[chip], image)


def main():
    what, name = (sys.argv[1:] + ["", ""])[:2]
    try:
        if what == "micropython":  # (what is wrong with the file can be said without a board)
            micropython_image = os.environ.get("IMAGE"), os.environ.get("CHIP") or "esp32"
            micropython(Port(name), *micropython_image)
            return
        port = Port(name)
        if what == "repl":
            sys.exit(repl(port))
        elif what == "logs":
            with contextlib.suppress(KeyboardInterrupt):
                logs(port)
        elif what == "backup":
            folder = backup(port)
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    print(f"{os.path.relpath(path)}: {path.stat().st_size} B")
            print(f"put back with: cd {os.path.relpath(folder)} && mpremote cp -r . :/")
        elif what == "erase":
            esptool(port, "erase-flash")
        else:
            sys.exit(__doc__)
    except PortError as e:
        sys.exit(f"{what}: {e}")


if __name__ == "__main__":
    main()
