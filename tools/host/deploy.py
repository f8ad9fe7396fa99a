"""Puts the build on a board (make deploy): docs/updates.md says how, and why a cut does not hurt.

usage: python -m host.deploy PORT [TREE], where TREE is a tree like build/firmware that was made
before, in place of this build.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from host import deploy_file, deploy_image
from host.build import PLAIN, BuildError, build
from host.port import Port, PortError, front, unbroken
from host.romfs import pack

# What is on the board: MicroPython's version, whether our code is, the words of /slot, whether it
# has yet to come out of the reset into maintenance mode, and how large its ROMFS partition is.
STATE = """
import sys
def words():
    try:
        with open("/slot") as f:
            return f.read().split()
    except OSError:
        return []
def ours():
    try:
        import firmware.start
        return True
    except Exception:
        return False
def rom():
    try:
        import vfs
        return len(memoryview(vfs.rom_ioctl(2, 0)))
    except (AttributeError, TypeError):  # (without one it says a number)
        return 0
print((tuple(sys.implementation.version[:3]), ours(), words(), "going" in globals(), rom()))
"""
OLDEST = (1, 26, 1)
# (Only the last step counts: who is cut off before it has changed nothing.)
MAINTAIN = """
import machine, time
going = True
time.sleep_ms(50)
machine.RTC().memory(b"maintain")
machine.reset()
"""
FIRST_DONE = """
import os
with open("/slot.new", "w") as f:
    f.write(%r)
os.rename("/slot.new", "/slot")
"""


def plain_differ(port, tree):
    """Which of the files that lie at / (PLAIN) are not those of the build `tree`."""
    plain = {name: hashlib.sha256((tree / name).read_bytes()).hexdigest() for name in PLAIN}
    there = port.ask(
        "import binascii, hashlib\n"
        "def h(name):\n"
        "    try:\n"
        "        with open('/' + name, 'rb') as f:\n"
        "            return binascii.hexlify(hashlib.sha256(f.read()).digest()).decode()\n"
        "    except OSError:\n"
        "        return ''\n"
        f"print({{name: h(name) for name in {PLAIN!r}}})"
    )
    return [name for name in PLAIN if there[name] != plain[name]]


def maintain(port):
    """Restart the board without firmware and watchdog; -> its STATE."""
    for _ in range(3):  # (somebody's Ctrl-C may have come before the reset)
        port.restart(MAINTAIN)
        state = port.wait(STATE)
        if not state[3]:
            return state
    raise PortError(f"{port.name}: the board does not restart")


def deploy(port, tree=None, say=print):
    """Make the board run the build (or `tree`); True if there was something to do. Raises
    PortError, or BuildError; the board boots whatever happens."""
    tree = Path(tree) if tree else build()
    with port.borrowed():
        return _deploy(port, tree, pack(tree), say)


def _deploy(port, tree, image, say):
    version, ours, words, _, rom_size = port.ask(STATE)
    if version < OLDEST:
        there = ".".join(map(str, version))
        raise PortError(
            f"MicroPython 1.26.1 or newer is needed, this is {there}: make micropython"
        )
    running = (words or ["rom"])[0] if ours else None
    in_place = rom_size and running in (None, "rom", "rom2")
    if in_place:
        same = deploy_image.is_there(port, running or "rom", image)
    else:
        same = running in ("a", "b") and deploy_file.is_there(port, running, image)
    differ = plain_differ(port, tree)
    if same and not differ:
        say("up to date")
        return False
    if ours:
        say("restarting in maintenance mode: contactors open, no watchdog")
        maintain(port)
    slot = None
    try:
        if in_place and not same:
            slot = deploy_image.send(port, image, rom_size, ours, say)
        elif not same:
            slot = deploy_file.send(port, image, running, ours, say)
        for name in differ:
            say(f"/{name}")
            port.put((tree / name).read_bytes(), "/" + name)
        if slot:
            switch = "from firmware import slots; slots.switch(%r)" if ours else FIRST_DONE
            port.run(switch % slot)
            say(f"slot {slot} runs from the next start on")
    except BaseException:  # back to what it did before, if it still can
        if ours and not same and not slot and not in_place:  # half a slot only takes room
            with contextlib.suppress(PortError), unbroken():
                port.run("from firmware import slots; slots.stage()", deploy_file.LONG_s)
        raise
    return True


def main():
    name, *tree = sys.argv[1:] or [os.environ.get("PORT", "")]
    deploy(Port(name), *tree)
    print(f"done; make logs PORT={name} shows what the board says")


if __name__ == "__main__":
    front("deploy", main, BuildError)
