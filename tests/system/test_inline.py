"""tools/host/inline.py: public constants are numbers on the board, where nobody can tell."""

import pytest

from host import inline

STATES = b"""from micropython import const

FREE = const(0)
PLUGGED = const(1)  # with a car
TWICE = const(PLUGGED * 2)
NAME = "a text"
_own = PLUGGED
"""


def made(other, states=STATES, others=()):
    """What becomes of `other`, which is package.other, beside package.states; -> both."""
    texts = {"package.states": states, "package.other": other}
    table = inline.table(texts, others)
    return [inline.put_in(name, text, table).decode() for name, text in texts.items()]


def test_they_go_and_lines_stay():
    states, other = made(b"from . import states\n\nx = states.TWICE + len(states.NAME)\n")
    assert other == "from . import states\n\nx = 2 + len(states.NAME)\n"
    assert states.split("\n")[2:8] == ["", "", "", 'NAME = "a text"', "_own = 1", ""]


@pytest.mark.parametrize(
    "before, after",
    [
        (
            "from .states import FREE, NAME, TWICE\nf(FREE, TWICE)",
            "from .states import NAME\nf(0, 2)",
        ),
        ("from package.states import FREE\nf(FREE)", "pass\nf(0)"),
        ("from package import states\nf(states.FREE)", "pass\nf(0)"),
        (
            "from .states import (\n    FREE,\n    NAME,\n)\nf(FREE)",
            "from .states import NAME\n\n\n\nf(0)",
        ),
        (
            "def f():\n    from . import states\n    return states.FREE",
            "def f():\n    pass\n    return 0",
        ),
    ],
)
def test_imports(before, after):
    assert made(before.encode())[1] == after


@pytest.mark.parametrize(
    "text",
    [
        "states = load('package.states')\nx = states.FREE",  # by another name
        "from . import states\nx = getattr(states, 'FREE')",
        "from . import states\ndef f(states):\n    return states.FREE",
        "from . import states\nx = f'{states.FREE}'",
        "from .states import FREE as none\nx = none",
        "from .states import FREE\nFREE = 5",
    ],
)
def test_one_that_is_reached_otherwise_stays(text):
    states, other = made(text.encode())
    assert "FREE = const(0)" in states and other == text


def test_what_is_not_compiled_may_name_it():
    assert "FREE = const(0)" in made(b"", others=[b"import package\nprint(states.FREE)"])[0]


def test_what_is_no_number_or_no_constant_stays():
    text = b"A = const(-1)\nB = 5\nC = const('x')\nD = const(unknown)\nE = 1\nE = const(1)\n"
    assert made(b"", text)[0] == text.decode()
