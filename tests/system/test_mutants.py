"""make mutants: the faults are faults, the map of tests is true, and a fault is caught by name."""

import ast
import sys

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.mutants.__main__ import Tree  # noqa: E402
from tests.mutants.cover import SYSTEM, covering  # noqa: E402
from tests.mutants.faults import faults, modules, picked  # noqa: E402

ONE = "firmware/network/sntp.py"


def test_faults_compile_are_spread_and_are_the_same_for_the_same_seed():
    chosen = picked(12, 150)
    assert [str(f) for f in chosen[:40]] == [str(f) for f in picked(12, 40)]
    assert [str(f) for f in chosen[:40]] != [str(f) for f in picked(13, 40)]
    assert len({str(f) for f in chosen}) == 150
    assert len({f.path for f in chosen}) > len(list(modules())) * 2 // 3
    for fault in chosen:
        source = (ROOT / fault.path).read_bytes()
        turned = fault.applied(source)
        assert ast.dump(ast.parse(turned)) != ast.dump(ast.parse(source)), fault


def test_every_module_has_tests_that_see_it():
    tests = covering()
    for path in modules():
        mine = tests[str(path)]
        assert any("/unit/" in name or "/test_v201_" in name for name in mine), path
        assert all((ROOT / name).is_file() for name in mine), mine
    assert "tests/unit/mp_store.py" in tests["firmware/charging/store.py"][:2]
    for place in SYSTEM:
        assert (ROOT / place).exists(), place


def test_a_fault_is_caught_by_name_and_what_is_none_survives(tmp_path, micropython32):
    tree = Tree(tmp_path)
    tests = [name for name in covering()[ONE] if name.endswith("mp_sntp.py")]
    fault = next(f for f in faults(ONE) if f.old == "==")
    assert tree.catches(fault, tests).startswith("tests/unit/mp_sntp.py::test_")
    assert (tmp_path / ONE).read_bytes() == (ROOT / ONE).read_bytes()
    fault.new = fault.old
    assert tree.catches(fault, tests) is None
