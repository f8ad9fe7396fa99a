"""Which tests see a module: what imports it, directly or by way of others; quickest first."""

import ast
import re

from .faults import ROOT, modules

MOST = 5  # unit test files a fault
SWEEPS = ("mp_power_cuts", "mp_times")  # minutes long: they come last
# Which tests are those of a folder, where none has a module's name.
SUBJECT = {"station": "session", "charging": "schedule", "electrical": "controller"}
# What no unit test sees as a whole is seen by these; every fault that is left comes to LAST.
SYSTEM = {
    "firmware/app": "main_job crash console power",
    "firmware/app/build.py": "own_board main_job electrical",
    "firmware/app/updating.py": "certification_update",
    "firmware/start.py": "crash main_job",
    "firmware/crash.py": "crash",
    "firmware/safe.py": "crash",
    "firmware/slots.py": "crash",
    "firmware/console": "console",
    "firmware/console/diagnostics.py": "certification_logs console",
    "firmware/network": "network clock",
    "firmware/ocpp": "contract registration offline",
    "firmware/ocpp/certificates.py": "certification_certificates",
    "firmware/ocpp/security.py": "security",
    "firmware/ocpp/trust.py": "security",
    "firmware/ocpp/uploads.py": "certification_logs v201_logs",
    "firmware/ocpp/charging_profile.py": "profiles",
    "firmware/ocpp/v16/smart_charging.py": "profiles",
    "firmware/ocpp/v201": "v201_sessions",  # (each block's module has a test of its own)
    "firmware/ocpp/v201/alerts.py": "v201_monitoring",
    "firmware/ocpp/v201/customer.py": "v201_logs",
    "firmware/ocpp/v201/device_model.py": "v201_provisioning",
    "firmware/ocpp/v201/events.py": "v201_points v201_metering",
    "firmware/ocpp/v201/external.py": "v201_outside",
    "firmware/ocpp/v201/facts.py": "v201_provisioning",
    "firmware/ocpp/v201/messages.py": "v201_points v201_outside",
    "firmware/ocpp/v201/monitors.py": "v201_monitoring",
    "firmware/ocpp/v201/profile_reports.py": "v201_smart_charging",
    "firmware/ocpp/v201/reports.py": "v201_provisioning",
    "firmware/ocpp/v201/variables.py": "v201_provisioning",
    "firmware/page": "page page_form page_files",
    "firmware/charging": "profiles",
    "firmware/electrical": "electrical",
    "firmware/drivers": "electrical",
    "firmware/station": "sessions metering connectors",
    "firmware/station/impose.py": "v201_outside",
    "lib": "link malformed",
    "lib/upki": "upki",
}
LAST = "main_job"
_PART = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)*\.?")


def _names(path, known):
    """The modules that a file imports or names in a text, as paths."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.parent.name  # (lib has packages of one level)
            names = [f"{package}.{node.module or alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if not _PART.fullmatch(node.value):
                continue
            names = [node.value] if "." in node.value else []
            if node.value.endswith("."):  # "console." + word
                names = [n for n in known if n.startswith("firmware." + node.value)]
        else:
            continue
        for name in names:
            for full in (name, "firmware." + name):
                if full in known:
                    out.add(known[full])
    return out


def graph(root=ROOT):
    """path -> the paths it names, for what stands in firmware/, lib/, tools/sim and tests/unit."""
    known = {}
    for folder, cut in (("firmware", 0), ("lib", 1), ("tools/sim", 1), ("tests/unit", 2)):
        for path in (root / folder).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts[cut:]
            known[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {
        path.relative_to(root): {p.relative_to(root) for p in _names(path, known)}
        for path in known.values()
    }


def _system(root, word):
    own = f"tests/system/test_{word}.py"
    return own if (root / own).is_file() else f"tests/system/test_station_{word}.py"


def covering(root=ROOT):
    """module -> its tests, the likeliest first."""
    edges = graph(root)
    tests = {path for path in edges if path.match("tests/unit/mp_*.py")}
    far = {}  # (module, test) -> steps from the test
    for test in tests:
        seen, ring, steps = {test}, {test}, 0
        while ring:
            for path in ring:
                far[path, test] = steps
            ring = {p for path in ring for p in edges[path]} - seen
            seen |= ring
            steps += 1
    size = {test: len((root / test).read_bytes()) for test in tests}
    out = {}
    for module in modules(root):
        mine = [test for test in tests if (module, test) in far]

        def likely(test, module=module):
            named = module.stem in test.stem
            subject = SUBJECT.get(module.parent.name, "?") in test.stem
            near = far[module, test] == 1
            key = test.stem in SWEEPS, not named, not near, not subject, far[module, test]
            return (*key, size[test])

        files = [str(test) for test in sorted(mine, key=likely)[:MOST]]
        for key in (str(module), *map(str, module.parents)):
            if key in SYSTEM:
                words = SYSTEM[key].split()
                break
        else:
            words = []
        own = f"v201_{module.stem}"
        if module.parent.name == "v201" and (root / f"tests/system/test_{own}.py").is_file():
            words = [own]
        words += [LAST] if LAST not in words else []
        out[str(module)] = files + [_system(root, word) for word in words]
    return out
