"""Puts the build on a board (make deploy): docs/updates.md says how, and why a cut does not hurt.

usage: python -m host.deploy PORT [TREE], where TREE is a tree like build/firmware that was made
before, in place of this build.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from host import deploy_image
from host.build import PLAIN, BuildError, build
from host.port import Port, PortError, front, unbroken
from host.romfs import build_image

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
SEND_s = 900
FILES_s = 60  # without a byte: it reads, or removes, all files of a slot
# {path below `top`: SHA-256}
HASHES = """
import binascii, hashlib, os
def look(folder, out, top):
    try:
        names = list(os.ilistdir(folder))
    except OSError:
        return out
    for entry in names:
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            look(path, out, top)
        else:
            h = hashlib.sha256()
            with open(path, "rb") as f:
                while True:
                    block = f.read(512)
                    if not block:
                        break
                    h.update(block)
            out[path[len(top) + 1:]] = binascii.hexlify(h.digest()).decode()
    return out
print(look(%r, {}, %r))
"""
# Copies on the board: `folders` and `files`, from below one folder to below another.
COPY = """
import os
for name in %r:
    os.mkdir(%r + "/" + name)
buf = bytearray(1024)
for name in %r:
    with open(%r + "/" + name, "rb") as old, open(%r + "/" + name, "wb") as new:
        while True:
            n = old.readinto(buf)
            if not n:
                break
            new.write(memoryview(buf)[:n])
    print(end=".")
"""
# On a board without code there are no slots yet: /a becomes the first.
FIRST = """
import os
def remove(path):
    for entry in os.ilistdir(path):
        below = path + "/" + entry[0]
        if entry[1] == 0x4000:
            remove(below)
        else:
            os.remove(below)
    os.rmdir(path)
try:
    remove("/a")
except OSError:
    pass
os.mkdir("/a")
"""
FIRST_DONE = """
import os
with open("/slot.new", "w") as f:
    f.write(%r)
os.rename("/slot.new", "/slot")
"""


def local_hashes(tree):
    """{path: SHA-256} of what is in slots, and of what lies at / (boot.py, pick.py, main.py)."""
    hashes = {}
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            name = path.relative_to(tree).as_posix()
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    plain = {name: hashes.pop(name) for name in PLAIN}
    return hashes, plain


def folders(names):
    """The folders of these files, those above first."""
    found = {parent.as_posix() for name in names for parent in Path(name).parents}
    return sorted(found - {"."})


def board_hashes(port, folder):
    return port.ask(HASHES % (folder, folder), FILES_s)


def plain_differ(port, plain):
    """Which of boot.py, pick.py and main.py are not those of the build."""
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
    tree_given, tree = tree, Path(tree) if tree else build()
    with port.borrowed():
        return _deploy(port, tree_given, tree, say)


def _deploy(port, given, tree, say):
    version, ours, words, _, rom_size = port.ask(STATE)
    if version < OLDEST:
        there = ".".join(map(str, version))
        raise PortError(
            f"MicroPython 1.26.1 or newer is needed, this is {there}: make micropython"
        )
    running = (words or ["rom"])[0] if ours else None
    in_place = rom_size and running in (None, "rom", "rom2")
    if given and in_place:
        raise PortError("this board runs an image: a tree cannot be put on it")
    wanted, plain = local_hashes(tree)
    there = {}
    if in_place:
        image = build_image()
        same = deploy_image.is_there(port, running or "rom", image)
    else:
        if running in ("a", "b"):
            there = board_hashes(port, "/" + running)
        same = there == wanted
    differ = plain_differ(port, plain)
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
            slot = _fill(port, tree, wanted, running, there, ours, say)
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
                port.run("from firmware import slots; slots.stage()", FILES_s)
        raise
    return True


def _fill(port, tree, wanted, running, there, ours, say):
    """Put the files into the slot that does not run; -> its name."""
    if ours:
        slot = port.ask("from firmware import slots; print(repr(slots.stage()))", FILES_s)
    else:
        port.run(FIRST, FILES_s)
        slot = "a"
    same = [name for name in wanted if there.get(name) == wanted[name]]
    port.run(COPY % (folders(wanted), "/" + slot, same, f"/{running}", "/" + slot))
    changed = [name for name in wanted if name not in same]
    size = sum((tree / name).stat().st_size for name in changed)
    say(f"slot {slot}: {len(changed)} files to send ({size} B), {len(same)} are there already")
    words = []
    for name in changed:
        words += ["+", "cp", "-f", name, f":/{slot}/{name}"]
    if words:
        port.call(*words[1:], timeout=SEND_s, quiet=not sys.stdout.isatty(), folder=tree)
    if board_hashes(port, "/" + slot) != wanted:
        raise PortError("what has arrived is not what was sent; nothing has changed: try again")
    return slot


def main():
    name, *tree = sys.argv[1:] or [os.environ.get("PORT", "")]
    deploy(Port(name), *tree)
    print(f"done; make logs PORT={name} shows what the board says")


if __name__ == "__main__":
    front("deploy", main, BuildError)
