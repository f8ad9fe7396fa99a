"""docs/conformance.md says which test shows what: each must exist, and no certification test be
missing there."""

import re

from host.build import ROOT

NAMED = re.compile(r"`(\w+)::(test_\w+)`")


def names_in(path):
    return set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))


def path_of(module):
    folder, prefix = ("unit", "") if module.startswith("mp_") else ("system", "test_")
    return ROOT / f"tests/{folder}/{prefix}{module}.py"


def named():
    paths = ROOT / "docs/conformance.md", ROOT / "docs/conformance-2.0.1.md"
    return NAMED.findall("".join(path.read_text() for path in paths))


def test_every_test_that_is_named_exists():
    assert len(named()) > 200
    known = {module: names_in(path_of(module)) for module, _ in named()}
    assert [f"{m}::{name}" for m, name in named() if name not in known[m]] == []


def test_every_certification_test_is_named():
    for path in (ROOT / "tests/system").glob("test_certification_*.py"):
        there = {name for module, name in named() if path_of(module) == path}
        assert names_in(path) - there == set()


def test_every_certification_case_has_a_row():
    """TC_001 to TC_088, as far as OCPP 1.6 has them for a charge point."""
    text = (ROOT / "docs/conformance.md").read_text()
    rows = text.split("## Certification cases")[1].split("## ")[0]
    there = set()
    for first, last in re.findall(r"TC_(\d+)[_\d]*(?: to TC_(\d+))?", rows):
        there.update(range(int(first), int(last or first) + 1))
    missing = set(range(1, 89)) - there
    # numbers that belong to the Central System's cases, or to none
    assert missing == {9, 20, 22, 25, 29, 33, 35, 63, 65}
