"""lib/upki: keys, requests, signatures, certificates."""

import json

import bench
from bench import PORT, measurement, micropython
from bench.memory import costs
from host.build import ROOT, build


@measurement
def upki():
    """CPU of this machine, which an ESP32 takes 77 to 115 times; pieces between which others have
    their turn; heap; and what the modules take when all are loaded."""
    path = build() / "lib", ROOT / "tests/unit", ROOT / "tools/bench/mp"
    words = ["quick"] if bench.quick else []
    run = f"import sys; sys.argv.extend({words}); import bench_upki"
    out = json.loads(micropython(run, exe=PORT, heap="4M", path=path, timeout=600))
    names = ["upki"] + ["upki." + name for name in ("der", "p256", "rsa", "cert", "csr")]
    for way, romfs in (("romfs", True), ("files", False)):
        table = costs(names, romfs)
        out[f"heap_{way}_bytes"] = {name: table[name][0] for name in names}
    out["names"] = {name: table[name][1] for name in names}
    out["mpy_bytes"] = {
        path.stem: path.stat().st_size for path in sorted((build() / "lib/upki").glob("*.mpy"))
    }
    return out


@measurement
def upki_certificates():
    """The unit asks for a certificate (a new key and the request, which is kept), and takes one
    whose chain has two signatures: CPU of this machine, live heap beside the code."""
    path = build(), build() / "lib", ROOT / "tests/unit", ROOT / "tools/bench/mp"
    words = ["quick"] if bench.quick else []
    run = f"import sys; sys.argv.extend({words}); import bench_certificates"
    return json.loads(micropython(run, exe=PORT, heap="4M", path=path, timeout=600))
