"""Runs tests/unit/mp_*.py on MicroPython, and holds what all tests share.

Every `def test_*` and `async def test_*` of a tests/unit/mp_*.py becomes an item, [mp32] (4-byte
words, as on the ESP32), in a process of its own with a small heap, on modules that are compiled
(unit_tree.py). On the 64-bit port the whole firmware runs in the system tests. In such a file

    HEAP = "64K"     sets the heap of the 32-bit port (160K without it); the 64-bit port gets twice
                     as much, for its objects are twice as large
    BOTH = True      as [mp64] too: for large numbers, layouts of bytes, text, sockets
    CHIP = True      as [mpesp] too, built with the ESP32's options (tools/chip-port): for floats,
                     texts of errors, paths, what is full or deep
    SWEEPS = ("test_x", ...)
                     names those that take seconds: they run on the 32-bit port only
    sys.exit(42)     skips a test; the last line printed is the reason

and os.getenv("PILOTWIRE_SEED") is the seed of this run. A coroutine has two minutes and a process
ten, which is for what hangs: a busy machine must not come near it.
"""

import ast
import functools
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from unit_tree import unit_tree

ROOT = Path(__file__).resolve().parents[1]
CI = os.environ.get("CI") == "true"
INTERPRETERS = {
    "mp64": os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython"),
    "mp32": os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32"),
    "mpesp": os.environ.get("MICROPYTHON_ESP")
    or str(ROOT / "build/micropython-esp/micropython-esp"),
}
HEAP = "160K"
SKIPPED = 42
COROUTINE_s = 120
PROCESS_s = int(os.environ.get("PILOTWIRE_PROCESS_s") or 600)
TOP = set(os.listdir("/"))  # the unit's /certs and /tx have no business there

# Runs in MicroPython. asyncio comes after the test's imports, which may put tools/sim in front.
RUN = """
import sys
sys.path[:] = ["", "lib", "tests/unit", ".frozen"]
result = getattr(__import__({module!r}), {function!r})()
if hasattr(result, "send"):
    import asyncio
    asyncio.run(asyncio.wait_for(result, {coroutine_s}))
"""


# The seed


def pytest_addoption(parser):
    parser.addoption(
        "--seed", type=int, default=None, help="of every random choice; PILOTWIRE_SEED otherwise"
    )


def pytest_configure(config):
    seed = config.getoption("--seed")
    if seed is None:
        # Below 2**30 it is a small integer on the 32-bit port too.
        seed = int(os.environ.get("PILOTWIRE_SEED") or int.from_bytes(os.urandom(4), "big") >> 2)
    # The processes that tests start find it here.
    os.environ["PILOTWIRE_SEED"] = str(seed)


def pytest_report_header(config):
    return [f"seed: {os.environ['PILOTWIRE_SEED']}"] + [
        f"{name}: {exe if Path(exe).exists() else 'missing: ' + exe}"
        for name, exe in INTERPRETERS.items()
    ]


@pytest.fixture
def rng(request):
    """A random.Random of this test's own: the same for the same --seed, whatever else runs."""
    return random.Random(f"{os.environ['PILOTWIRE_SEED']} {request.node.nodeid}")


# The interpreters


@pytest.fixture(scope="session")
def micropython():
    """Path of the 64-bit MicroPython."""
    return require("mp64")


@pytest.fixture(scope="session")
def micropython32():
    """Path of the 32-bit MicroPython; skips where there is none (in CI fails)."""
    return require("mp32")


@pytest.fixture(scope="session")
def micropython_esp():
    """Path of the 32-bit MicroPython that has the ESP32's options; skips where there is none."""
    return require("mpesp")


def require(name):
    exe = INTERPRETERS[name]
    if Path(exe).exists():
        return exe
    message = f"no {name} interpreter at {exe}: make setup"
    if name != "mp64" and not CI:
        pytest.skip(message)
    pytest.fail(message, pytrace=False)


# What may run at the same time (pytest -n 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return together(nodeid)

    return Together(config, log) if config.getoption("dist") == "loadfile" else None


def together(nodeid):
    """What runs in one worker, in order: a file's tests, except those that share nothing with
    the others. A unit test has a process of its own, and who takes `bench` a station."""
    path, _, test = nodeid.partition("::")
    alone = Path(path).match("unit/mp_*.py") or test.partition("[")[0] in takes_bench(path)
    return nodeid if alone else path


@functools.cache
def takes_bench(path):
    return {
        node.name
        for node in ast.parse((ROOT / path).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if {"bench", "bench201"} & {argument.arg for argument in node.args.args}
    }


# Tests that run on MicroPython


def pytest_pycollect_makemodule(module_path, parent):
    """Takes mp_*.py from pytest's own collector, which would import it."""
    if module_path.match("unit/mp_*.py"):
        return DeviceFile.from_parent(parent, path=module_path)


class DeviceFile(pytest.File):
    """A tests/unit/mp_*.py. It is read, not imported: it need not run on CPython."""

    def collect(self):
        tests, settings = [], {"HEAP": HEAP, "BOTH": False, "CHIP": False, "SWEEPS": ()}
        for node in ast.parse(self.path.read_text(), str(self.path)).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name.startswith("test_"):
                    tests.append(node)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if node.targets[0].id in settings:
                    settings[node.targets[0].id] = ast.literal_eval(node.value)
        sweeps = set(settings["SWEEPS"])
        if sweeps - {node.name for node in tests}:
            raise self.CollectError(f"{self.path}: SWEEPS names what is no test of it")
        for node in tests:
            more = {"mp64": "BOTH", "mpesp": "CHIP"} if node.name not in sweeps else {}
            for port in ["mp32", *(p for p in more if settings[more[p]])]:
                yield DeviceTest.from_parent(
                    self,
                    name=f"{node.name}[{port}]",
                    function=node.name,
                    line=node.lineno,
                    port=port,
                    heap=heap_for(port, settings["HEAP"]),
                )


def heap_for(port, heap):
    """The argument of -X heapsize= for a heap that is given for the 32-bit port."""
    number, unit = re.fullmatch(r"(\d+)([KkMm]?)", heap).groups()
    return f"{int(number) * (2 if port == 'mp64' else 1)}{unit}"


class DeviceFailure(Exception):
    """What the process of a failed test printed."""


class DeviceTest(pytest.Item):
    def __init__(self, *, function, line, port, heap, **kw):
        super().__init__(**kw)
        self.test, self.line, self.port, self.heap = function, line, port, heap
        self.add_marker(port)

    def runtest(self):
        script = RUN.format(module=self.path.stem, function=self.test, coroutine_s=COROUTINE_s)
        command = [require(self.port), "-X", f"heapsize={self.heap}", "-c", script]
        environment = {k: v for k, v in os.environ.items() if k != "MICROPYPATH"}
        try:
            done = subprocess.run(
                command,
                cwd=unit_tree(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # The 64-bit port prints tracebacks to stdout, the 32-bit one to stderr.
                stderr=subprocess.STDOUT,
                timeout=PROCESS_s,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode(errors="replace")
            raise DeviceFailure(f"{said}\nstopped after {PROCESS_s} s") from None
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode == SKIPPED:
            pytest.skip(said.splitlines()[-1] if said else "skipped by the test")
        if done.returncode:
            raise DeviceFailure(f"{said}\nexit {done.returncode}, heap {self.heap}, {self.port}")
        if said:
            self.add_report_section("call", "stdout", said)
        if made := set(os.listdir("/")) - TOP:
            raise DeviceFailure(f"made on this machine, by this test or one beside it: {made}")

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, DeviceFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.line - 1, self.nodeid.split("::")[-1]


# CI is strict: nothing may be skipped, and something must have run.


class Strict:
    def __init__(self):
        self.ran, self.skipped, self.complaint = 0, [], None

    def note(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)
        elif getattr(report, "when", None) == "call":
            self.ran += 1

    def pytest_runtest_logreport(self, report):
        self.note(report)

    def pytest_collectreport(self, report):
        self.note(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        # (pytest-xdist tells of a worker's tests, not of what it skipped while it collected)
        skipped = getattr(node, "workeroutput", {}).get("skipped", ())
        self.skipped += [nodeid for nodeid in skipped if nodeid not in self.skipped]

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["skipped"] = self.skipped
            return
        if session.config.getoption("collectonly"):
            return
        if self.skipped:
            self.complaint = "nothing may be skipped in CI: " + ", ".join(self.skipped)
        elif not self.ran:
            self.complaint = "no test ran"
        if self.complaint and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.complaint:
            terminalreporter.write_line(self.complaint, red=True)


if CI:

    def pytest_sessionstart(session):
        session.config.pluginmanager.register(Strict(), "strict")
