"""Heap of the 32-bit port, whose objects are as large as the ESP32's; code runs from ROMFS."""

from bench import measurement, micropython, min_heap
from host.build import SIMULATOR, package, sources
from host.romfs import build_image, build_simulator_image

# Loaded in any case, or simulated hardware: not counted for the package that asks first.
SHARED = "bus", "asyncio", "machine", "network", "esp32", "time", "json", "struct"

IMPORT = """
import gc, rom, sys, vfs
rom.simulator({simulator!r})
vfs.mount(vfs.VfsRom(rom.partition({image!r})), "/rom")
sys.path[:] = ["/rom", "/rom/lib", "/sim/tools/sim/esp32", ".frozen"]
for name in {before}:
    try:
        __import__(name)
    except ImportError:
        pass
gc.collect()
start = gc.mem_alloc()
for name in {after}:
    __import__(name)
gc.collect()
print(gc.mem_alloc() - start)
"""


def modules():
    """{package: its modules}, firmware and libraries, by import name."""
    table = {}
    for target in sources():
        if target.endswith(".mpy"):
            name = target.removesuffix(".mpy").removesuffix("/__init__").removeprefix("lib/")
            table.setdefault(package(target), []).append(name.replace("/", "."))
    return table


def imported(after, before=SHARED, **kw):
    images = {"simulator": str(build_simulator_image()), "image": str(build_image())}
    script = IMPORT.format(before=before, after=after, **images)
    return int(micropython(script, path=[SIMULATOR / "tools/sim"], **kw))


@measurement
def heap_import():
    """Bytes live after importing each package alone, and what it imports; "all": everything."""
    table = {}
    known = modules()
    known["all"] = sum(known.values(), [])
    for name, names in known.items():
        try:
            table[name] = imported(names)
        except RuntimeError as error:
            table[name] = {"error": str(error)}
    return table


@measurement
def min_heap_import():
    """The smallest -X heapsize= that imports everything."""
    everything = sum(modules().values(), [])

    def works(heap):
        try:
            imported(everything, heap=heap)
        except RuntimeError as error:
            if "MemoryError" not in str(error):
                raise
            return False
        return True

    return min_heap(works)
