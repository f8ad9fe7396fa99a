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


# The test cases for a charging station of OCPP 2.0.1, part 6.
CASES_201 = {
    "A": "1 4-7 9-15 19-23",
    "B": "1-3 6-7 9-30 32-37 39 41 43 45-47 49-57",
    "C": "2 4-18 21-34 36-58",
    "D": "1-8 10",
    "E": "1-17 19-22 24-35 37-46 50-52 54",
    "F": "1-20 23-24 26-27",
    "G": "1-21",
    "H": "1-4 6-10 12-19 21-24",
    "I": "1-2 7",
    "J": "1-4 6-11",
    "K": "1-16 19 21-24 28-42 47 52-54 56-58 60",
    "L": "1-3 5-8 10-16 18",
    "M": "1-4 7 9 12-20 22-31",
    "N": "1-13 15-41 43-45 47-48 51-53 56 61-63",
    "O": "1-15 17-20 22 24 27-28 30 32-39",
    "P": "1 3-4",
}


def numbers(first, last=None):
    return set(range(int(first), int(last or first) + 1))


def test_every_case_of_201_has_a_row():
    text = (ROOT / "docs/conformance-2.0.1.md").read_text()
    there = {block: set() for block in CASES_201}
    text = re.sub("`[^`]*`", "", text)  # (but for names of tests)
    for block, *cases in re.findall(r"TC_([A-Z])_(\d+)(?:_CS)?(?: to TC_[A-Z]_(\d+))?", text):
        there[block] |= numbers(*cases)
    for block, cases in CASES_201.items():
        wanted = set().union(*[numbers(*case.split("-")) for case in cases.split()])
        assert wanted - there[block] == set(), block
