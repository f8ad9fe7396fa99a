"""The harness itself: the items it makes, what a failure shows, CI's strictness, the build."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import bench
from bench.size import code_lines
from host.build import ROOT, BuildError, build, sizes

PASSES = (
    "BOTH = True\n\n\ndef test_passes():\n    print('hello')\n\n\n"
    "async def test_async():\n    pass\n"
)
SKIPS = "import sys\n\n\ndef test_skips():\n    print('no such hardware')\n    sys.exit(42)\n"


@pytest.fixture
def run(tmp_path, micropython):
    """Runs pytest on one test file with the project's conftest.py; returns (exit code, output)."""
    unit = tmp_path / "tests" / "unit"
    unit.mkdir(parents=True)
    for name in ("conftest.py", "unit_tree.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def run(source, *args, name="mp_demo.py", **environment):
        (unit / name).write_text(source)
        env = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")}
        # It is the harness that is tested here, not the interpreters: one will do for all.
        ports = "MICROPYTHON", "MICROPYTHON32", "MICROPYTHON_ESP"
        env |= dict.fromkeys(ports, micropython)
        env |= environment
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_on_which_ports_a_function_runs(run):
    """On the 32-bit port, and on others where its file says so, but for its sweeps."""
    sweeps = "SWEEPS = ('test_passes',)\nCHIP = True\n" + PASSES
    chip = PASSES.replace("BOTH", "CHIP")
    for source, both, esp in ((PASSES, 2, 0), (chip, 0, 2), (sweeps, 1, 1)):
        code, said = run(source, CI="true")
        assert code == 0, said
        for name in ("test_passes", "test_async"):
            assert f"{name}[mp32] PASSED" in said
        assert said.count("[mp64] PASSED") == both
        assert said.count("[mpesp] PASSED") == esp
    assert "test_async[mp64] PASSED" in said and "test_async[mpesp] PASSED" in said
    code, said = run(sweeps.replace("'test_passes'", "'test_gone'"))
    assert code != 0 and "SWEEPS names what is no test" in said, said


def test_heap_is_for_the_32_bit_port(run):
    source = "HEAP = '64K'\nBOTH = True\n\n\ndef test_it():\n    bytearray(80_000)\n"
    code, said = run(source)
    assert code == 1
    assert "MemoryError" in said and "heap 64K, mp32" in said and "test_it[mp64] PASSED" in said


def test_a_failure_shows_the_traceback_of_micropython(run):
    source = "BOTH = True\ndef test_it():\n    x = 3\n    assert x == 4, 'x is %d' % x\n"
    for port in ("mp64", "mp32"):
        code, said = run(source, "-m", port)
        assert code == 1
        assert "AssertionError: x is 3" in said and "mp_demo.py" in said and "line 4" in said


def test_a_skip_is_reported_and_fails_in_ci(run):
    code, said = run(SKIPS)
    assert code == 0 and "no such hardware" in said, said
    code, said = run(SKIPS, CI="true")
    assert code == 1 and "nothing may be skipped in CI" in said, said


def test_a_skip_in_a_worker_fails_in_ci(run):
    two = ("-n", "2", "--dist", "loadfile")
    code, said = run(PASSES, *two, CI="true")
    assert code == 0 and "seed: " in said, said
    for source, name in (
        (SKIPS, "mp_demo.py"),
        ("import pytest\npytest.skip('never', allow_module_level=True)", "test_demo.py"),
    ):
        code, said = run(source, *two, name=name, CI="true")
        assert code != 0 and "nothing may be skipped in CI" in said, said


def test_a_missing_interpreter_skips_and_fails_in_ci(run):
    code, said = run(PASSES, MICROPYTHON32="/nowhere")
    assert code == 0 and "no mp32 interpreter at /nowhere" in said, said
    code, said = run(PASSES, CI="true", MICROPYTHON32="/nowhere")
    assert code == 1, said
    code, said = run("CHIP = True\n" + PASSES, MICROPYTHON_ESP="/nowhere")
    assert code == 0 and "no mpesp interpreter at /nowhere" in said, said
    code, said = run("CHIP = True\n" + PASSES, CI="true", MICROPYTHON_ESP="/nowhere")
    assert code == 1, said


def test_no_test_at_all_fails_in_ci(run):
    assert run("", CI="true")[0] != 0


def test_the_seed_is_shown_and_reaches_the_test(run):
    source = "import os\n\n\ndef test_it():\n    assert os.getenv('PILOTWIRE_SEED') == '7'\n"
    for args, environment in ((("--seed", "7"), {}), ((), {"PILOTWIRE_SEED": "7"})):
        code, said = run(source, *args, **environment)
        assert code == 0 and "seed: 7" in said, said


@pytest.mark.parametrize("given", [None, "7"])
def test_ci_says_its_seed_first(given, tmp_path):
    """So that a red run can be repeated; one that is given is taken. (Its make ends it here.)"""
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\necho make has $PILOTWIRE_SEED\nexit 3\n")
    make.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k != "PILOTWIRE_SEED"}
    env |= {"PATH": f"{tmp_path}:{env['PATH']}", "PYTHON": sys.executable}
    env |= {"PILOTWIRE_SEED": given} if given else {}
    done = subprocess.run([ROOT / ".ci/run"], env=env, capture_output=True, text=True)
    assert done.returncode == 3, done
    said, passed_on = done.stdout.splitlines()
    word, seed = said.split()
    assert word == "seed" and passed_on == f"make has {seed}", done
    assert seed == given if given else 0 <= int(seed) < 1 << 30


# host.build


@pytest.fixture
def tree(tmp_path):
    """A small repository to build; its build goes to tmp_path/out."""
    (tmp_path / "firmware" / "sub").mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "boot.py").write_text("print('boot')\n")
    (tmp_path / "firmware" / "__init__.py").write_text("")
    (tmp_path / "firmware" / "sub" / "a.py").write_text("ANSWER = 42\n")
    return tmp_path


def made(out):
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


def test_build_makes_the_tree_of_the_board(tree, micropython):
    out = build(tree / "out", root=tree)
    assert made(out) == ["boot.py", "firmware/__init__.mpy", "firmware/sub/a.mpy"]
    code = "import sys; sys.path[:] = ['.']; from firmware.sub.a import ANSWER; print(ANSWER)"
    done = subprocess.run([micropython, "-c", code], cwd=out, capture_output=True, text=True)
    assert done.stdout.strip() == "42", done
    table = sizes(out)
    assert table["total"] == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert set(table) == {"boot, pick, main", "firmware", "firmware/sub", "total"}


def test_build_follows_the_sources(tree):
    out = build(tree / "out", root=tree)
    compiled = out / "firmware/sub/a.mpy"
    first, stamp = compiled.read_bytes(), (out / "firmware/__init__.mpy").stat().st_mtime_ns
    # An older file than the one it replaces, as after a git checkout.
    source = tree / "firmware/sub/a.py"
    source.write_text("ANSWER = 43\n")
    os.utime(source, (1, 1))
    build(tree / "out", root=tree)
    assert compiled.read_bytes() != first
    assert (out / "firmware/__init__.mpy").stat().st_mtime_ns == stamp
    source.unlink()
    build(tree / "out", root=tree)
    assert made(out) == ["boot.py", "firmware/__init__.mpy"]
    assert not (out / "firmware/sub").exists()


def test_build_makes_again_what_was_damaged(tree):
    out = build(tree / "out", root=tree)
    (out / "firmware/sub/a.mpy").unlink()
    (out / "stray.mpy").write_text("")
    build(tree / "out", root=tree)
    assert made(out) == ["boot.py", "firmware/__init__.mpy", "firmware/sub/a.mpy"]


def test_build_names_file_and_line_of_every_error(tree):
    (tree / "firmware/bad.py").write_text("x = 1\ny = = 2\n")
    (tree / "firmware/worse.py").write_text("def f(:\n")
    with pytest.raises(BuildError) as caught:
        build(tree / "out", root=tree)
    bad, worse = str(caught.value).splitlines()
    assert bad.startswith("firmware/bad.py:2: SyntaxError")
    assert worse.startswith("firmware/worse.py:1: SyntaxError")


# Holes of 512 bytes, as large as the names of some of the modules are; behind each of them what
# goes afterwards, with 64 KB. What is live then that was not before? (The collector looks at the
# stack as well, where a call leaves what it had: over(), as deep, has only zeros.)
HOLES = """
import gc, sys
sys.path[:] = ["."]
def load():
    places = [None] * 200
    size = 126 if sys.maxsize < 2**31 else 62
    one = (bytearray(1 << 16),)
    for i in range(len(places)):
        places[i] = one * size
    for i in range(0, len(places), 2):
        places[i] = None
    gc.collect()
    import firmware.MODULE
def over(left=9):
    a = b = c = d = e = f = g = h = 0
    if left:
        over(left - 1)
    return a + b + c + d + e + f + g + h
gc.collect()
before = gc.mem_alloc()
load()
over()
gc.collect()
print(gc.mem_alloc() - before)
"""


@pytest.mark.parametrize("port", ["micropython", "micropython32"])
def test_a_module_without_constants_keeps_nothing_of_others(tree, port, request):
    counts = range(245, 258)
    for n in counts:
        names = " = ".join(f"name{i}" for i in range(n))
        (tree / f"firmware/of_{n}.py").write_text(f"{names} = None\n")
    out, port = build(tree / "out", root=tree), request.getfixturevalue(port)
    live = {}
    for n in counts:
        command = [port, "-X", "heapsize=1M", "-c", HOLES.replace("MODULE", f"of_{n}")]
        done = subprocess.run(command, cwd=out, capture_output=True, text=True)
        live[n] = int(done.stdout)
    print(live)
    assert max(live.values()) < 1 << 15, live


def test_build_by_many_at_once(tree):
    for n in range(20):
        (tree / "firmware" / f"m{n}.py").write_text(f"N = {n}\n")
    with ThreadPoolExecutor(8) as pool:
        outs = list(pool.map(lambda _: build(tree / "out", root=tree), range(8)))
    assert len(made(outs[0])) == 23


def test_build_of_nothing_new_is_fast(tree):
    for n in range(60):
        (tree / "firmware" / f"m{n}.py").write_text(f"N = {n}\n")
    build(tree / "out", root=tree)
    times = []
    for _ in range(5):
        start = time.process_time()  # (what else the host does does not count)
        build(tree / "out", root=tree)
        times.append(time.process_time() - start)
    assert min(times) < 0.05, times


# bench


def test_min_heap_is_within_a_step():
    asked = []

    def works(heap):
        asked.append(heap)
        return heap >= 50_000

    assert 50_000 <= bench.min_heap(works) < 50_256
    assert len(asked) < 15
    assert bench.min_heap(lambda heap: False) is None


def test_code_lines_are_without_comments_docstrings_and_blank_lines(tmp_path):
    source = tmp_path / "a.py"
    source.write_text(
        '"""Two\nlines."""\n\nX = 1  # why\n# only why\n\n\ndef f():\n    """D."""\n'
    )
    assert code_lines(source) == 2
    source.write_text('TEXT = """a\n\nb"""\n')
    assert code_lines(source) == 3
