"""What make does with a board besides deploy, config and doctor: see make help.

python -m host.board repl|logs|backup|erase|micropython PORT
"""

import os
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from host.binary import Binary, BinaryError
from host.build import ROOT
from host.port import BUSY, CUT, ENVIRONMENT, Port, PortError, explain, front

DOWNLOAD = "https://micropython.org/download/ESP32_GENERIC_S3/"
CODE = (
    "a.rom",
    "b.rom",
    "a",
    "b",
    "rom",
    "rom2",
    "firmware",
    "lib",
    "boot.py",
    "pick.py",
    "romfile.py",
    "main.py",
    "slot",
    "safe",
)
LIST = "import os; print([(e[0], e[1] == 0x4000) for e in os.ilistdir('/')])"


def repl(port):
    """The REPL, or the firmware's console: Ctrl-] leaves it."""
    done = subprocess.run(
        port.command(0, "repl"), env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise PortError(f"{port.name}: {explain(done.stderr)}")
    if port.name.startswith("/") and not os.path.exists(port.name):
        raise PortError(f"{port.name}: {CUT}")


def listen(port):
    """The port, opened; nobody else has it."""
    import serial

    alone = {"exclusive": True} if port.name.startswith("/") else {}
    try:
        return serial.serial_for_url(port.name, baudrate=115200, timeout=0.2, **alone)
    except (OSError, ValueError) as e:
        why = BUSY if isinstance(e, OSError) else e
        raise PortError(f"{port.name}: {why}") from None


def logs(port):
    """Print what the board says, without stopping anything, until Ctrl-C."""
    with listen(port) as line:
        try:
            while True:
                data = line.read(max(1, line.in_waiting))
                sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
                sys.stdout.flush()
        except BrokenPipeError:  # (whoever read it has ended)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError:
            raise PortError(f"{port.name}: {CUT}") from None


def backup(port, folder=None):
    """Copy what is this unit's own (config, certificates, profiles, journal, keys: everything but
    the code) from the board; -> the folder. The unit restarts afterwards."""
    folder = Path(folder or ROOT / "build" / f"backup-{datetime.now():%Y%m%d-%H%M%S}")
    with port.borrowed():
        entries = [entry for entry in port.ask(LIST) if entry[0] not in CODE]
        folder.mkdir(parents=True)
        folder.chmod(0o700)  # (config.json has passwords)
        words = []
        for name, is_folder in entries:
            words += ["+", "cp", "-r" if is_folder else "-f", f":/{name}", "./"]
        try:
            if words:
                port.call(*words[1:], folder=folder)
        except BaseException:  # half a backup is none
            shutil.rmtree(folder)
            raise
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


def micropython(port, image):
    """Write a MicroPython image (.bin) at the place where its chip looks for it."""
    if not image:
        raise PortError(
            f"no IMAGE: download a .bin of MicroPython 1.26.1 or newer from {DOWNLOAD} "
            "(or your chip's page there), then make micropython PORT=... IMAGE=FILE"
        )
    binary = Binary(image)
    words = "--chip", binary.chip, "--baud", "460800", "write-flash", hex(binary.base), image
    esptool(port, *words)


def main(what):
    name = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("PORT", "")
    if what == "micropython":  # (what is wrong with the file can be said without a board)
        micropython(Port(name), os.environ.get("IMAGE"))
        return
    port = Port(name)
    if what == "repl":
        repl(port)
    elif what == "logs":
        try:
            logs(port)
        except KeyboardInterrupt:
            print()
    elif what == "backup":
        folder = backup(port)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                print(f"{os.path.relpath(path)}: {path.stat().st_size} B")
        mpremote = Path(sys.executable).parent / "mpremote"
        words = f"{mpremote} connect {shlex.quote(port.name)} cp -r . :/ + reset"
        print(f"put back with: cd {os.path.relpath(folder)} && {words}")
    elif what == "erase":
        esptool(port, "erase-flash")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else ""
    front(target, lambda: main(target), BinaryError)
