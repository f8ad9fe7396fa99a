"""What the documents list is what there is."""

import importlib.util
import re

from host.build import ROOT
from host.profile import profile


def code_of(name):
    """The `words` in a document."""
    return set(re.findall(r"`([^`\s]+)`", (ROOT / "docs" / name).read_text()))


def test_every_key_of_a_board_is_written_down():
    path = ROOT / "firmware/check_board.py"
    spec = importlib.util.spec_from_file_location("check_board", path)
    check_board = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_board)
    keys = {"pilot", "sense", "contactor", "meter", *check_board._PARTS}
    described = [*check_board._PARTS.values(), *check_board._BUSES.values()]
    for pins, needs, may in described:
        keys.update(pins, needs, may)
    keys.update(re.findall(r'(?:_get|hasattr|getattr)\(\w*,? ?"([A-Z]\w+)"', path.read_text()))
    for path in (ROOT / "firmware/boards").glob("*.py"):
        keys.update(re.findall(r"^(\w+) = ", path.read_text(), re.MULTILINE))
    assert len(keys) > 50
    assert keys - code_of("boards.md") == set()


def test_every_link_leads_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for to in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", path.read_text()):
            assert (path.parent / to).exists(), f"{path.name}: {to}"


def fields_of(value):
    if isinstance(value, dict):
        return set(value).union(*map(fields_of, value.values()))
    return set().union(*map(fields_of, value)) if isinstance(value, list) else set()


async def test_every_field_of_state_and_trace_is_written_down(bench):
    async with bench() as b:
        await b.set_profile(profile(1, "Default", {0: 10}), 0)
        await b.charge()
        state = await b.process.state()
        assert state["connectors"][0]["limit_by"]["profile"] == 1
        lines = b.process.trace()
        assert {e["what"] for e in lines} == {"pilot", "contactor", "car", "limit"}
        said = fields_of(state) | fields_of(lines) | {e["what"] for e in lines}
        assert said - code_of("state.md") == set()
