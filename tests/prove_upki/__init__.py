"""lib/upki on MicroPython, called from here."""

import ast
import os
import subprocess

from host.build import ROOT

LIMIT_s = 1200


class Refused(str):
    """The text of the ValueError that was raised."""


def played(interpreter, calls):
    """What `calls` of the library, [(function, argument, ...), ...], return there, or Refused."""
    lines = "".join(f"{call!r}\n" for call in calls)
    assert lines.count("\n") == len(calls)
    done = subprocess.run(
        [interpreter, "-X", "heapsize=4M", ROOT / "tests/prove_upki/player.py"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=LIMIT_s,
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'lib'}:{ROOT / 'tests/unit'}:.frozen"},
    )
    answers = [line[2:] for line in done.stdout.splitlines() if line.startswith("= ")]
    if done.returncode or len(answers) != len(calls):
        failed = calls[len(answers)] if len(answers) < len(calls) else "after the last call"
        raise AssertionError(f"{failed}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [value(text) for text in answers]


def value(text):
    """What stands behind "= "."""
    if not text.startswith("ValueError("):
        return ast.literal_eval(text)
    return Refused("".join(ast.literal_eval(text.removeprefix("ValueError"))))
