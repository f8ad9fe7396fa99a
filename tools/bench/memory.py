"""What every package and module takes of the heap, on the 32-bit port, from a ROMFS image and from
.mpy files; and what is live when the station is connected. `python -m bench.memory --write` puts
the tables into docs/memory.md."""

import argparse
import ast
import asyncio
import re

from bench import PORT, measurement, micropython
from bench.heap import SHARED
from bench.size import code_lines, size
from bench.station import BUDGET, BUDGET_201, connected, install, station
from host.build import ROOT, SIMULATOR, build, package, sources
from host.csms import V16, V201
from host.process import WAIT_s, poll
from host.romfs import build_image, build_simulator_image

BUFFERS = 2048 + 512  # rx and tx of ocpp/link.py
DOC = ROOT / "docs/memory.md"
BEGIN, END = "<!-- bench.memory -->\n", "<!-- end -->\n"
BIG = 14  # modules in the table of the big ones
# Of firmware/ocpp/v201, by block of the specification.
BLOCKS = {
    "A, M: security, certificates": "certificates",
    "B: provisioning": "provisioning variables reports device_model facts",
    "C: authorization": "authorization",
    "D: local list": "local_list",
    "E, J: transactions, meter values": "transactions events",
    "F: remote control": "remote_control",
    "G: availability": "availability",
    "H: reservation": "reservation",
    "K: smart charging": "smart_charging profile_reports",
    "L: firmware": "firmware_management",
    "N: logs, customers, monitoring": "logs customer monitoring",
    "P: data transfer": "data_transfer",
}
SHARED_BY = "of all: shapes, words, messages"
# Imports one module after the other, and says what is live then. (The table of names is counted
# apart: it grows in leaps, each of which would be one module's.)
SCRIPT = """
import gc, micropython, rom, sys, vfs
rom.simulator({simulator!r})
if {image!r}:
    vfs.mount(vfs.VfsRom(rom.partition({image!r})), "/rom")
sys.path[:] = {path} + ["/sim/tools/sim/esp32", ".frozen"]
for name in {before}:
    try:
        __import__(name)
    except ImportError:
        pass
def look(name):
    gc.collect()
    print("=", name, gc.mem_alloc())
    micropython.qstr_info()
look("before")
for name in {names}:
    __import__(name)
    look(name)
"""


def modules():
    """{import name: source} of what goes on the board, what is imported before what imports it."""
    known = {module(t): path for t, path in sources().items() if t.endswith(".mpy")}
    order, seen = {}, set()

    def visit(name):
        if name in known and name not in seen:
            seen.add(name)
            for other in imports(known[name], name):
                visit(other)
            order[name] = known[name]

    for name in sorted(known):
        visit(name)
    return order


def module(target):
    """The import name of a file on the board."""
    name = target.removesuffix(".mpy").removesuffix("/__init__").removeprefix("lib/")
    return name.replace("/", ".")


def imports(path, name):
    """What a module imports when it is imported itself."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = name.split(".")[: -node.level] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            found += [base, *[f"{base}.{alias.name}" for alias in node.names]]
    return found


def costs(names, romfs):
    """{module: (bytes of heap, names that are new)} of an import one after the other; "before":
    what is there already."""
    tree = str(build())
    script = SCRIPT.format(
        simulator=str(build_simulator_image()),
        image=str(build_image()) if romfs else "",
        path=["/rom", "/rom/lib"] if romfs else [tree, tree + "/lib"],
        before=SHARED,
        names=list(names),
    )
    said = micropython(script, path=[SIMULATOR / "tools/sim"])
    table, last = {}, (0, 0)
    for name, alloc, info in re.findall(r"= (\S+) (\d+)\n(.*)", said):
        count, table_bytes = table_of_names(info)
        now = int(alloc) - table_bytes, count
        table[name] = now[0] - last[0], now[1] - last[1]
        last = now
    return table


def table_of_names(info):
    """(names, bytes of heap of their table without their text) of a line of qstr_info()."""
    count, text, total = map(int, re.search(r"r=(\d+).*s=(\d+).*s=(\d+)", info).groups())
    return count, total - text


@measurement
def memory():
    """Per package: files, lines, bytes of .mpy, bytes of heap from ROMFS and from files, names;
    the modules that take most; OCPP 2.0.1 by its blocks; the modules that stay, in either version
    of OCPP."""
    names = list(modules())
    romfs, files = costs(names, True), costs(names, False)
    mpy = {module(t): (build() / t).stat().st_size for t in sources() if t.endswith(".mpy")}
    packages, rows = {}, size()
    for target in sources():
        if target.endswith(".mpy"):
            name = module(target)
            row = packages.setdefault(package(target), {**rows[package(target)]})
            for key, value in (
                ("romfs_bytes", romfs[name][0]),
                ("files_bytes", files[name][0]),
                ("names", romfs[name][1]),
            ):
                row[key] = row.get(key, 0) + value
    total = {key: sum(row[key] for row in packages.values()) for key in row}
    blocks = {}
    for name, path in modules().items():
        if name.startswith("firmware.ocpp.v201."):
            last = name.rpartition(".")[2]
            block = next((b for b in BLOCKS if last in BLOCKS[b].split()), SHARED_BY)
            row = blocks.setdefault(block, [0, 0, 0, 0])
            lines = len(path.read_text().splitlines())
            for i, value in enumerate((1, lines, code_lines(path), mpy[name])):
                row[i] += value
    big = sorted(mpy, key=lambda name: -romfs[name][0])[:BIG]
    return {
        "packages": {**packages, "total": total},
        "modules": {n: (mpy[n], romfs[n][0], files[n][0], romfs[n][1]) for n in big},
        "blocks": dict(sorted(blocks.items())),
        "image": build_image().stat().st_size,
        "live": {"1.6": live(V16, BUDGET), "2.0.1": live(V201, BUDGET_201)},
    }


def live(language, budget):
    """Where the heap is, connected and idle with 16 profiles of 24 periods, from ROMFS."""

    async def resident():
        words = "--interpreter", PORT, "--heap", "128K"
        async with station(*words, language=language) as (process, peer):
            for number in range(16):
                await install(peer, number, 24)
            for what in ("print('modules', sorted(sys.modules))", "micropython.qstr_info()"):
                await process.do(f"console >>> import sys, micropython; {what}")
            return await poll(lambda: printed(process.output), WAIT_s, "the modules")

    def printed(output):
        found = [line for line in output if line.startswith("modules [")]
        names = [table_of_names(line)[1] for line in output if line.startswith("qstr pool")]
        return found and names and (ast.literal_eval(found[0][8:]), names[0])

    heap = connected("romfs", "128K", language, budget)
    loaded, names = asyncio.run(resident())
    known = modules()
    stay = [name for name in known if name in loaded and name != "firmware.console.line"]
    table = costs(stay, True)
    all_of_it = heap["with_16_profiles_of_24_periods_bytes"]
    profiles = all_of_it - heap["connected_bytes"]
    code = sum(table[name][0] for name in stay)
    before = table["before"][0]
    return {
        "all": all_of_it,
        "code": code,
        "modules": len(stay),
        "names": names,
        "profiles": profiles,
        "buffers": BUFFERS,
        "rest": all_of_it - code - names - profiles - BUFFERS,
        "before": before,
    }


def markdown(result):
    out = [
        "| package | files | lines | of code | .mpy | heap, ROMFS | heap, files | names |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    keys = "files lines code_lines mpy_bytes romfs_bytes files_bytes names".split()
    for name, row in result["packages"].items():
        out.append(f"| {name} | " + " | ".join(f"{row[key]:,}" for key in keys) + " |")
    out += [
        "",
        "| the big ones | .mpy | heap, ROMFS | heap, files | names |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, row in result["modules"].items():
        out.append(f"| {name} | " + " | ".join(f"{value:,}" for value in row) + " |")
    out += [
        "",
        "| OCPP 2.0.1, by block | files | lines | of code | .mpy |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, row in result["blocks"].items():
        out.append(f"| {name} | " + " | ".join(f"{value:,}" for value in row) + " |")
    out += ["", f"The image with all of it (`make romfs`) has {result['image']:,} bytes."]
    at = list(result["live"].values())
    out += [
        "",
        "| live, connected and idle, 16 profiles of 24 periods, ROMFS; bytes | OCPP "
        + " | OCPP ".join(result["live"])
        + " |",
        "|---|--:|--:|",
    ]
    for text, key in (
        (f"code: {at[0]['modules']} and {at[1]['modules']} modules that stay", "code"),
        ("the table of names", "names"),
        ("the link's two buffers", "buffers"),
        ("the profiles", "profiles"),
        ("all else: asyncio, LittleFS, the interpreter, drivers, parts, tasks", "rest"),
        ("together", "all"),
    ):
        out.append(f"| {text} | " + " | ".join(f"{one[key]:,}" for one in at) + " |")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/memory.md")
    args = parser.parse_args()
    text = markdown(memory())
    print(text, end="")
    if args.write:
        head, rest = DOC.read_text().split(BEGIN)
        DOC.write_text(head + BEGIN + text + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
