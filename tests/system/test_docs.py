"""What the documents list is what there is."""

import ast
import importlib.util
import json
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


def assigned(path, name):
    """The node of what a module of the firmware gives that name."""
    tree = ast.parse((ROOT / f"firmware/{path}.py").read_text())
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == name
    ]
    return value


def tables(section):
    """The rows below a heading of configuration.md, by each `name` in the first cell."""
    text = (ROOT / "docs/configuration.md").read_text().split(f"\n## {section}")[1]
    rows = {}
    for line in re.findall(r"^\| (`.*)\|$", text.split("\n## ")[0], re.MULTILINE):
        first, second, rest = line.split("|", 2)
        for name in re.findall(r"`([^`]+)`", first):
            assert name not in rows, f"{name} has two rows"
            rows[name] = second.strip(), rest.strip()
    return rows


def test_every_field_of_config_json_is_written_down():
    """With its default; and no other."""
    fields = assigned("config", "_FIELDS")
    defaults = {
        name.value: ast.literal_eval(value.elts[1])
        for name, value in zip(fields.keys, fields.values, strict=True)
    }
    rows = tables("config.json")
    assert len(defaults) > 30 and defaults.keys() == rows.keys()
    for name, default in defaults.items():
        if default is not None and name != "hostname":  # (that is the id)
            assert json.dumps(default) in rows[name][0].replace("`", ""), name


def in_words(line, unit):
    """Default and range of a setting, of its line of keys.py, as configuration.md has them."""
    kind, default = line[3:5]
    if kind not in "id":
        return {"-": "", "*": "all there are", ",": ""}.get(default, default)
    of = 1 if kind == "i" else 10
    least, most = [f"{int(text) // of:,}" for text in line[5:7]]
    return f"{default}{'' if unit == '-' else ' ' + unit}, {least} to {most}"


def test_every_setting_is_written_down_with_its_default_and_range():
    """Keys of OCPP 1.6 and variables of 2.0.1, and what stands behind both of them."""
    keys = [line.split(" ") for line in ast.literal_eval(assigned("ocpp/v16/keys", "_TABLE"))]
    variables = ast.literal_eval(assigned("ocpp/v201/device_model", "_TABLE"))
    of = {line[1]: line for line in keys}
    units, names, told = {}, set(), set()
    text = (ROOT / "docs/configuration.md").read_text()
    rows = tables("OCPP 2.0.1: variables")
    for line in variables:
        component, variable, _, unit, value = line.split(" ")[:5]
        if value[0] == "=":
            units[value[1:]] = unit
            line, name = of[value[1:]], f"{component}.{variable}"
            assert rows[name][0] == in_words(line, unit), name
            assert "." in line[0] or rows[name][1] == f"as `{line[0]}`", name
            names.add(name)
            told.add(line[0])
        else:
            (row,) = re.findall(rf"^- `{component}`[^:\n]*: .*$", text, re.MULTILINE)
            assert f"`{variable}`" in row, line
    assert rows.keys() == names
    rows = tables("OCPP configuration keys")
    (fixed,) = re.findall(r"^Read-only: (.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    for line in keys:
        name, setting, access = line[:3]
        if "." in name:  # (`un`: the unit changes it, that is no setting)
            assert access == "un" or name in told, name
        elif access == "ro":
            assert f"`{name}`" in fixed or name.removesuffix("MaxLength") in rows, name
        elif line[4] != "-":
            assert rows[name][0] == in_words(line, units.get(setting, "-")), name
        else:
            assert name in rows


def test_every_link_leads_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for to in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", path.read_text()):
            assert (path.parent / to).exists(), f"{path.name}: {to}"


SOURCES = [
    path
    for folder in ("firmware", "lib", "tools", "tests", "docs", "examples")
    for pattern in ("*.py", "*.md")
    for path in sorted((ROOT / folder).rglob(pattern))
    if path.name != "test_docs.py"
] + sorted(ROOT.glob("*.md"))


def sections_of(name):
    """The numbers of a document's sections."""
    return set(re.findall(r"^#+ (\d+)\b", (ROOT / "docs" / name).read_text(), re.MULTILINE))


def rows_of(name, heading):
    """The first cells of the table below a heading that begins so."""
    text = (ROOT / "docs" / name).read_text().split(f"\n## {heading}")[1].split("\n## ")[0]
    return {
        number
        for cell in re.findall(r"^\| ([A-Z]?\d[\d., ]*)", text, re.MULTILINE)
        for number in cell.replace(",", " ").split()
    }


def cited(pattern):
    """What the sources have of a pattern, with a comment's line breaks taken out."""
    for path in SOURCES:
        text = re.sub(r"\n\s*(?:# )?", " ", path.read_text())
        for found in re.finditer(pattern, text):
            yield path.relative_to(ROOT).as_posix(), found


def test_every_document_and_section_that_is_named_exists():
    count = 0
    for where, found in cited(r"(?:(\w+)/)?\b([\w.-]+\.md)((?: \d+(?:\.\d+)?(?:,| and)?)*)"):
        folder, name, numbers = found.groups()
        beside = (ROOT / where).parent / (folder or "") / name
        places = (ROOT / "docs" / name, ROOT / name, ROOT / (folder or "") / name, beside)
        assert any(place.exists() for place in places), f"{where}: {found[0]}"
        for number in re.findall(r"[\d.]+", numbers):
            assert number in sections_of(name), f"{where}: {found[0]}"
            count += 1
    assert count > 25


def test_every_module_that_is_named_exists():
    """In documents, and in what is written beside the code; CONTRIBUTING shows how to add one."""
    there = [
        path.relative_to(ROOT).as_posix()
        for folder in ("", "firmware", "lib", "tools", "tests", "examples")
        for path in ((ROOT / folder).rglob("*.py") if folder else ROOT.glob("*.py"))
    ]
    count = 0
    for where, found in cited(r"(?<![\w.{*/<-])(?:[\w-]+/)*[a-z_]\w*\.py\b"):
        if where.startswith(("firmware/", "lib/", "docs/", "README")):
            named = found[0]
            assert any(("/" + path).endswith("/" + named) for path in there), f"{where}: {named}"
            count += 1
    assert count > 100


def test_every_anchor_is_a_heading():
    count = 0
    for where, found in cited(r"\]\(([\w./-]*)#([\w-]+)\)"):
        path = (ROOT / where).parent / found[1] if found[1] else ROOT / where
        heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
        assert found[2] in anchors, f"{where}: {found[0]}"
        count += 1
    assert count > 5


def test_every_choice_sequence_and_hazard_that_is_named_has_its_row():
    for document, heading, pattern in (
        ("smart-charging.md", "5 Choices", r"(?<![\w.-])(A[1-9]\d?)(?=[,):\].]| and )"),
        ("electrical.md", "3 Sequences", r"\bseq\. (\d+(?:\.\d)?)"),
        ("electrical.md", "5 Hazards", r"\bhazards? (\d+(?:(?:, | and )\d+)*)"),
    ):
        rows = rows_of(document, heading)
        count = 0
        for where, found in cited(pattern):
            for number in re.findall(r"A?\d[\d.]*", found[1]):
                assert number in rows, f"{where}: {found[0]}"
                count += 1
        assert count > 4, document


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
