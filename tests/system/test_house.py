"""Where things may live: who may import whom, how long a class may be, which words the domain does
not know, and that what is public says what it is. docs/architecture.md is the map; what is not
true yet stands in EXCEPTIONS, no more."""

import ast
import functools
import re

import pytest

from host.build import ROOT

# A package imports what stands below its row; those of one row do not know each other.
LAYERS = (
    "start",
    "app",
    "fitting",
    "outlet",
    "page",
    "console ocpp.v16 ocpp.v201 network",
    "ocpp",
    "station release",
    "signatures",
    "storage charging electrical config check_board slots",
    "crash",
    "safe",
    "drivers",
    "boards clock lazy log names version",
)
DOMAIN = "charging", "electrical", "station", "storage"
# Of OCPP 1.6 and 2.0.1: names of messages, fields and states, and (below) of configuration keys.
WORDS = """
    Accepted ActiveCurrent AlignedData Authorize BootNotification ChargePoint ChargingProfile
    ChargingStation ClearChargingProfile ConcurrentTx CSMS DataTransfer DeAuthorized EVConnected
    EVDisconnected EVSE_ID Faulted Finishing GetCompositeSchedule HardReset IdToken MeterValues
    NoError Occupied Preparing Rejected RemoteStart RemoteStop RemoteStartTransaction
    RemoteStopTransaction SetChargingProfile SoftReset StartTransaction StatusNotification
    StopTransaction SuspendedEV SuspendedEVSE TransactionEvent TriggerMessage TxDefaultProfile
    TxProfile ChargePointMaxProfile Unavailable UnlockCommand UnlockConnector chargingProfileId
    chargingSchedule connectorId errorCode evseId idTag idTagInfo idToken id_tag meterStart
    meterStop parentIdTag parent_id_tag recurrencyKind sampledValue seqNo stopReason stop_tag
    transactionData transactionId EmergencyStop
""".split()
SHARED = "SecurityProfile", "chargingSchedule", "recurrencyKind"  # words that every version has
CLASS_LINES = 200
MODULE_LINES = 300
# Of firmware/ and lib/ together; lower it with every cut. 11,387 were on the way to 11,000 when
# local list and reservations came: what a new block of OCPP takes is added, and nothing else.
LINES = 22170
SLACK = 250

# What is not true yet. Each line goes with the change that makes it true, or moves with the code;
# none is added.
EXCEPTIONS = ""


def files(*tops):
    return [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]


def name(path):
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


@functools.cache
def modules():
    """{dotted name below firmware: the file}"""
    top = ROOT / "firmware"
    return {
        ".".join(path.relative_to(top).with_suffix("").parts): path for path in files("firmware")
    }


def imported(node, module):
    """What an expression or statement of `module` may import, as dotted names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = ("firmware." + module).split(".")[: -node.level]
            base = ".".join(parts + ([base] if base else []))
        return [base] + [base + "." + alias.name for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]  # __import__("firmware.x"), sys.modules["firmware.x"]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "load":  # of lazy
            return ["firmware." + str(node.args[0].value)]
    return []


@functools.cache
def graph():
    """{module: the modules of firmware/ that it imports}, wherever in it that is done."""
    out = {}
    for module, path in modules().items():
        names = {n for node in ast.walk(parsed(path)) for n in imported(node, module)}
        names = {n.removeprefix("firmware.") for n in names if n.startswith("firmware.")}
        out[module] = (names & set(modules())) - {module}
    return out


def row(module):
    """Where in LAYERS a module is: the longest name there that it begins with."""
    found = [
        (len(word), i, word)
        for i, line in enumerate(LAYERS)
        for word in line.split()
        if module == word or module.startswith(word + ".")
    ]
    assert found, f"{module} stands in no row of LAYERS"
    return max(found)[1:]


def upwards():
    for module, below in graph().items():
        (i, package) = row(module)
        for other in below:
            (j, target) = row(other)
            if target != package and j <= i:
                yield f"imports {module} {other}"


def circles():
    # A module is on a circle if it reaches itself.
    for module in graph():
        seen, to_do = set(), [module]
        while to_do:
            for other in graph()[to_do.pop()] - seen:
                seen.add(other)
                to_do.append(other)
        if module in seen:
            yield f"circle {module}"


def classes():
    for path in files("firmware", "lib", "tools"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                if node.end_lineno - node.lineno + 1 > CLASS_LINES:
                    yield f"class {name(path)} {node.name}"


def lengths():
    for path in files("firmware", "lib", "tools"):
        if len(path.read_text().splitlines()) > MODULE_LINES:
            yield f"module {name(path)}"


def private(text):
    return text.startswith("_") and not text.startswith("__") and text != "_"


def owned(tree):
    """The underscored names that a module defines, of its own or on its objects."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                yield node.attr


def reaches():
    for path in files("firmware", "lib"):
        own = set(owned(parsed(path)))
        for node in ast.walk(parsed(path)):
            names = []
            if isinstance(node, ast.Attribute):
                if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                    names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "getattr",
                "setattr",
            ):
                names = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
            for n in names:
                if private(n) and n not in own:
                    yield f"private {name(path)} {n}"


def documented(node, name=""):
    """(name, has it a docstring?) of a module, class or function and all that is public in it."""
    yield name or "module", ast.get_docstring(node) is not None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for inner in node.body:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if not inner.name.startswith("_"):
                    yield from documented(inner, (name + "." if name else "") + inner.name)


def undocumented():
    for path in files("firmware", "lib"):
        for what, told in documented(parsed(path)):
            if not told:
                yield f"docstring {name(path)} {what}"


def keys():
    """The names of OCPP 1.6's configuration keys that firmware/ocpp/v16/keys.py has."""
    text = (ROOT / "firmware/ocpp/v16/keys.py").read_text()
    return re.findall(r"^\W*([A-Z][a-z]+[A-Z]\w+)\b", text, re.M)


def texts(tree):
    """Strings of a module that are no docstrings."""
    skip = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            skip.add(id(body[0].value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skip:
            yield node.value


def words():
    # Comments and docstrings may cite OCPP as a document; nothing has its words.
    pattern = re.compile(r"\b({})s?\b".format("|".join(WORDS + keys())))
    for path in files(*("firmware/" + package for package in DOMAIN)):
        found = {m.group(1) for m in pattern.finditer(path.read_text())}
        code = {n.id for n in ast.walk(parsed(path)) if isinstance(n, ast.Name)}
        if any("OCPP" in text for text in list(texts(parsed(path))) + sorted(code)):
            found.add("OCPP")
        for word in found:
            yield f"word {name(path)} {word}"


def spoken():
    # What all versions of OCPP share speaks none of them: its code, whatever comments cite.
    # (app/report.py has the words of docs/state.md.)
    pattern = re.compile(r"(?<![A-Za-z])({})(?![a-z])".format("|".join(WORDS + keys())))
    for top in ("ocpp", "app"):
        for path in sorted((ROOT / "firmware" / top).glob("*.py")):
            tree, said = parsed(path), []
            for node in ast.walk(tree):
                said += [getattr(node, field, None) for field in ("id", "attr", "arg", "name")]
                if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                    said.append(node.value.decode("latin1"))
            said = [text for text in said if isinstance(text, str)] + list(texts(tree))
            found = {word for text in said for word in pattern.findall(text)} - set(SHARED)
            if name(path) != "firmware/app/report.py":
                yield from (f"spoken {name(path)} {word}" for word in found)


RULES = {
    "imports": upwards,
    "circle": circles,
    "class": classes,
    "module": lengths,
    "private": reaches,
    "word": words,
    "spoken": spoken,
    "docstring": undocumented,
}


def excepted():
    return [line.strip() for line in EXCEPTIONS.splitlines() if line.strip()]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_house_holds_everywhere_else(rule):
    assert sorted(set(RULES[rule]()) - set(excepted())) == []


@pytest.mark.parametrize("rule", RULES)
def test_every_exception_is_still_needed(rule):
    left = {line for line in excepted() if line.split()[0] == rule}
    assert sorted(left - set(RULES[rule]())) == [], "true by now: take it off EXCEPTIONS"


def test_exceptions_are_of_a_rule_and_stand_once():
    lines = excepted()
    assert {line.split()[0] for line in lines} <= set(RULES)
    assert len(set(lines)) == len(lines)


def test_the_code_does_not_grow():
    lines = sum(len(path.read_text().splitlines()) for path in files("firmware", "lib"))
    assert lines <= LINES
    assert lines >= LINES - SLACK, "shorter by now: lower LINES"


def test_the_rules_see_what_they_forbid(monkeypatch, tmp_path):
    """A small tree that breaks each rule once."""
    monkeypatch.setattr("test_house.ROOT", tmp_path)
    tree = {
        "firmware/lazy.py": "'It is public.'\nclass A:\n    def b(self):\n        'It does.'\n"
        "    async def c(self):\n        pass\n    def _d(self):\n        pass",
        "firmware/ocpp/v16/keys.py": "'''\nSomeLongKey 1\n'''",
        "firmware/app/build.py": "'x'\nidTag(x.SomeLongKey, b'Accepted')\n'SecurityProfile 2'",
        "firmware/app/report.py": "'x'\nx = 'transactionId'",
        "firmware/ocpp/link.py": "'x'\ndef _f():\n    from firmware.station import station",
        "firmware/station/station.py": "'x'\nfrom firmware import lazy\n\n\ndef _f():\n"
        "    lazy.load('ocpp.link')",
        "firmware/charging/long.py": "'x'\nclass Long:\n    'x'\n" + "    x = 1\n" * 300,
        "firmware/storage/a.py": "'x'\nfrom .b import _c\nx.b._d = self._e\ngetattr(x, '_f')",
        "firmware/storage/b.py": "'OCPP 1.6' # OCPP 1.6 says\nidTag = f('SomeLongKey')",
        "firmware/storage/d.py": "x = 'OCPP 1.6'",
    }
    for path, text in tree.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for cached in (parsed, modules, graph):
        cached.cache_clear()
    try:
        assert {rule: sorted(f()) for rule, f in RULES.items()} == {
            "imports": ["imports station.station ocpp.link"],
            "circle": ["circle ocpp.link", "circle station.station"],
            "class": ["class firmware/charging/long.py Long"],
            "module": ["module firmware/charging/long.py"],
            "private": [f"private firmware/storage/a.py _{x}" for x in "cdf"],
            "word": [
                "word firmware/storage/b.py SomeLongKey",
                "word firmware/storage/b.py idTag",
                "word firmware/storage/d.py OCPP",
            ],
            "spoken": [
                f"spoken firmware/app/build.py {x}" for x in ("Accepted", "SomeLongKey", "idTag")
            ],
            "docstring": [
                "docstring firmware/lazy.py A",
                "docstring firmware/lazy.py A.c",
                "docstring firmware/storage/d.py module",
            ],
        }
    finally:
        for cached in (parsed, modules, graph):
            cached.cache_clear()
