"""The ROMFS image: what is in it, that its code runs in place, and what a damaged one does."""

import os
import subprocess
import zlib

import pytest
from station_driver import ESP32_HEAP, Bench, run_tool

from bench.station import heap_connected, heap_connected_201
from host.build import PLAIN, ROOT, build
from host.romfs import build_image, build_simulator_image, in_place

PORTS = ["micropython", "micropython32", "micropython_esp"]

LIST = """
import os, sys, vfs
with open(sys.argv[1], "rb") as f:
    vfs.mount(vfs.VfsRom(f.read()), "/rom")
def walk(folder):
    for name, kind, _, _ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            walk(path)
        else:
            with open(path, "rb") as f:
                print(path, f.read().hex())
walk("/rom")
"""

# The same as a slot's file, by romfile.py: what stat() and open() say of each path, and of some
# that import asks for in vain. First the heap that is live with it.
FILE = """
import gc, os, sys, vfs
paths = [line.split() for line in sys.stdin]
sys.path.insert(0, ROOT)
import binascii
gc.collect()
before = gc.mem_alloc()
from romfile import RomFile
vfs.mount(RomFile(sys.argv[1]), "/a")
gc.collect()
print(gc.mem_alloc() - before)
for path, size in paths:
    stat = os.stat("/a/" + path)
    assert stat[6] == int(size), path
    if stat[0] == 0x8000:
        with open("/a/" + path, "rb") as f:
            print(path, f.read(stat[6]).hex())
        for vain in (path[:-4], path[:-4] + ".py"):
            try:
                os.stat("/a/" + vain)
                print(vain, "is there")
            except OSError:
                pass
"""

# The heap that is live before and after an import from the image.
IMPORT = """
import gc, rom, sys, vfs
rom.simulator(sys.argv[1])
vfs.mount(vfs.VfsRom(rom.partition(sys.argv[2])), "/rom")
sys.path[:] = PATH
gc.collect()
before = gc.mem_alloc()
import firmware.ocpp.schema, firmware.charging.profile, firmware.ocpp.rpc
gc.collect()
print(gc.mem_alloc() - before)
"""


@pytest.fixture(params=PORTS)
def port(request):
    return request.getfixturevalue(request.param)


def run(port, script, *words, typed=None, **env):
    command = [port, "-X", "heapsize=2M", "-c", script, *map(str, words)]
    env = {**os.environ, **env}
    done = subprocess.run(command, env=env, capture_output=True, text=True, input=typed)
    assert done.returncode == 0, done
    return done.stdout


def test_the_image_holds_every_file_of_the_tree(port):
    image, tree = build_image(), build()
    files = dict(line.split(" ") for line in run(port, LIST, image).splitlines())
    assert files == {
        f"/rom/{path.relative_to(tree).as_posix()}": path.read_bytes().hex()
        for path in tree.rglob("*")
        if path.is_file() and path.name not in PLAIN
    }


def test_each_path_is_found_in_the_file_of_a_slot(port):
    image, tree = build_image(), build()
    paths = [path for path in sorted(tree.rglob("*")) if path.name not in PLAIN]
    sizes = [0 if path.is_dir() else path.stat().st_size for path in paths]
    names = [path.relative_to(tree).as_posix() for path in paths]
    typed = "".join(f"{name} {size}\n" for name, size in zip(names, sizes, strict=True))
    script = FILE.replace("ROOT", repr(str(ROOT)))
    heap, *said = run(port, script, image, typed=typed).splitlines()
    assert said == [
        f"{name} {path.read_bytes().hex()}"
        for name, path in zip(names, paths, strict=True)
        if path.is_file()
    ]
    print(f"{heap} B of heap")
    assert int(heap) < (3200 if port == os.environ["MICROPYTHON"] else 1600)


def test_the_image_follows_the_tree(tmp_path):
    image = build_image(tmp_path / "out")
    data, made = image.read_bytes(), image.stat().st_mtime_ns
    assert int.from_bytes(data[-4:], "little") == zlib.crc32(data[:-4])
    assert build_image(tmp_path / "out").stat().st_mtime_ns == made
    (tmp_path / "out/main.py").unlink()  # the build makes it anew
    assert build_image(tmp_path / "out").stat().st_mtime_ns > made
    assert image.read_bytes() == data


def test_code_in_the_image_is_executed_in_place(micropython32):
    """An import from the image takes less than half of what it takes from the same .mpy files."""
    assert in_place(micropython32)
    image, tree, simulator = build_image(), build(), build_simulator_image()
    folder = f"{simulator.with_suffix('')}/tools/sim:.frozen"

    def live(*path):
        script = IMPORT.replace("PATH", repr([*path, ".frozen"]))
        return int(run(micropython32, script, simulator, image, MICROPYPATH=folder))

    placed = live("/rom", "/rom/lib", "/sim/tools/sim/esp32")
    loaded = live(str(tree), f"{tree}/lib", "/sim/tools/sim/esp32")
    print(f"imports take {placed} B from the image, {loaded} B from files")
    assert placed < loaded / 2


@pytest.mark.parametrize("measure", [heap_connected, heap_connected_201])
def test_the_heap_that_is_live(micropython32, measure):
    """docs/memory.md: connected, idle, with 16 profiles of 24 periods."""
    heap = measure()
    print(heap)
    assert heap["with_16_profiles_of_24_periods_bytes"] <= heap["budget_bytes"]


@pytest.mark.parametrize("code", ["romfs", "files"])
async def test_the_station_runs_from_it_and_from_files(tmp_path, port, code):
    """With Wi-Fi, whose memory files would take if they came first."""
    heap = ESP32_HEAP if code == "romfs" and in_place(port) else "256K"
    wifi = {"ssid": "home"}
    async with Bench(tmp_path, interpreter=port, code=code, heap=heap, config=wifi) as b:
        await b.charge()
        await b.pilot(32000)


OLD_FILES = """
import os
try:
    os.stat("/firmware/start.py")
    print("old files are there")
except OSError:
    os.mkdir("/firmware")
    with open("/firmware/start.py", "w") as f:
        f.write("1 / 0")
"""


async def test_old_files_on_the_flash_do_not_hide_the_image(tmp_path):
    """A unit that ran from files before: on MicroPython's sys.path they come before /rom."""
    async with Bench(tmp_path, policy=OLD_FILES) as b:
        before = b.st
        await b.do("power-cut 0.1")
        await b.process.wait_output("old files are there")
        await b.again(before)


def cut(image):
    return image[: len(image) // 2]


def erased(image):
    """As in flash: what did not arrive is erased."""
    return cut(image).ljust(len(image), b"\xff")


def changed(image):
    at = len(image) * 2 // 3
    return image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]


def header_only(image):
    return image[:7] + b"\xff" * len(image)


def without_crc(image):
    return image[:-4]


@pytest.mark.parametrize("damage", [cut, erased, changed, header_only, without_crc])
def test_a_damaged_image_is_not_run(tmp_path, port, damage):
    (tmp_path / "bad.romfs").write_bytes(damage(build_image().read_bytes()))
    code, said = run_image(tmp_path / "bad.romfs", port)
    assert code == 1, said
    assert "OSError: the ROMFS image is damaged: deploy it again" in said
    assert said[-1] == "station: the firmware has given up"
    assert not [line for line in said if "firmware/" in line], "nothing of it ran"


@pytest.mark.parametrize("start", [b"\xff" * 64, b"no image at all" * 20])
def test_no_image(tmp_path, port, start):
    """An empty partition: code may lie in files then; here it does not."""
    (tmp_path / "none.romfs").write_bytes(start)
    code, said = run_image(tmp_path / "none.romfs", port)
    assert code == 1, said
    assert "ImportError: no module named 'firmware'" in said


def test_an_image_of_another_mpy_version(tmp_path, port):
    image = bytearray(build_image().read_bytes())
    at = image.index(b"M\x06\x00\x1f")
    while at >= 0:
        image[at + 1] = 5
        at = image.find(b"M\x06\x00\x1f")
    image[-4:] = zlib.crc32(image[:-4]).to_bytes(4, "little")
    (tmp_path / "old.romfs").write_bytes(image)
    code, said = run_image(tmp_path / "old.romfs", port)
    assert code == 1, said
    assert "ValueError: incompatible .mpy file" in said


def run_image(image, port):
    return run_tool(
        "--url", "ws://127.0.0.1:1", "--id", "A", "--code", image, "--interpreter", port
    )


def test_an_image_has_to_be_one(tmp_path):
    for name in (tmp_path / "nowhere.romfs", "flash"):
        code, said = run_tool("--url", "ws://127.0.0.1:1", "--id", "A", "--code", name)
        assert code == 2
        assert said == [
            f"station: --code: {name} is neither romfs, files nor an image (NAME.romfs) "
            "(--help tells more)"
        ]
