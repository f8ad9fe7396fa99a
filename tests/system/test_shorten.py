"""Private names on the board: shorter ones, the same program."""

import ast

import pytest

from host.build import compiled
from host.shorten import given, kept, shorten

MODULE = b"""
_START = {"at": 0}

def _begin(step):
    return _START["at"], step

class Counter:
    '''Counts _by_name, of \xc3\xa4 text.'''
    _limit = 3

    def __init__(self):
        self._count, self._step = _begin(2)
        self._in_string = self._shared = 1
        self.log = []

    def _more(self):
        self._count += self._step; self.log.append("\xc3\xa4%d" % self._count)

    def run(self):
        self._more(); self._more()
        return self.log, self._limit, getattr(self, "_in_string")
"""


def run(text):
    names = {}
    exec(compile(text, "module", "exec"), names)
    return names["Counter"]().run()


def attributes(text):
    return {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}


def test_private_names_become_letters_and_the_program_stays():
    text = shorten(MODULE, {"_shared"})
    assert run(text) == run(MODULE) == (["ä2", "ä4"], 3, 1)
    same = {"_limit", "_in_string", "_shared", "log", "append"}
    assert attributes(text) == {"_c", "_d", "_e", *same}
    assert b"_START" not in text and b"_begin" not in text
    assert len(text.splitlines()) == len(MODULE.splitlines())


def test_a_letter_that_is_taken_is_not_used():
    text = shorten(MODULE.replace(b"_more", b"_a").replace(b"_limit", b"_c"), {"_b"})
    assert run(text.replace(b"_c", b"_limit")) == run(MODULE)
    assert attributes(text) == {"_c", "_e", "_g", "_h", "_i", "_in_string", "log", "append"}


@pytest.mark.parametrize(
    "text",
    [
        "_x = 1\ndef f():\n    global _x\n    _x = 2",
        "_x = 1\ndef f():\n    _x = 2\n    return _x",
        "def _x():\n    pass\ndef f(*_x):\n    return _x",
        "def _x():\n    pass\nf = [_x for _x in ()]\ng = globals()['_x']",
        "_x = const(1)",
        "class A:\n    _x = 1\n    def f(self):\n        return self._x",
        "def f():\n    class _X:\n        pass",
        "class A:\n    async def _x(self):\n        await self._x()\nlog(f.__name__)",
    ],
)
def test_names_that_cannot_be_followed_are_kept(text):
    assert shorten(text.encode(), set()).decode() == text


def test_a_coroutine_has_a_letter_where_no_task_is_called_by_its_name():
    text = b"class A:\n    async def _x(self):\n        f(type(x).__name__)\n        self._x()"
    assert shorten(text, set()) == text.replace(b"_x", b"_a")


def test_a_private_class_has_a_letter():
    text = b"class _X:\n    x = 1\nclass Y(_X):\n    def f(self):\n        return _X().x"
    assert shorten(text, set()) == text.replace(b"_X", b"_a")


def test_more_attributes_than_letters():
    names = [f"_name{i:02}" for i in range(60)]
    lines = [f"        self.{name} = {i}" for i, name in enumerate(names)]
    total = " + ".join(f"self.{name}" for name in names)
    text = "class Counter:\n    def __init__(self):\n" + "\n".join(lines)
    text += f"\n    def run(self):\n        return {total}\n"
    short = shorten(text.encode(), set())
    assert run(short) == sum(range(60))
    assert len(attributes(short) & set(names)) == 8


@pytest.mark.parametrize(
    "module, names",
    [
        (b"class A:\n    def f(self):\n        self._x = 1\n", set()),
        (b"class A:\n    def f(self, b):\n        b._x = self._y\n", {"_x", "_y"}),
        (b"class A:\n    def f(self):\n        self._x = 1\ndef g(a):\n    return a._x\n", set()),
        (b"class A:\n    def _x(self):\n        return self._x\n", set()),
        (b"class A(Exception):\n    def f(self):\n        self._x = 1\n", set()),
        (b"class A:\n    pass\nclass B(A):\n    def f(self):\n        self._x = 1\n", set()),
        (b"from b import B\nclass A(B):\n    def f(self):\n        self._x = 1\n", {"_x"}),
        (b"from b import B\nclass A(B):\n    def _x(self):\n        pass\n", {"_x"}),
        (b"from b import _x\n", {"_x"}),
        (b"import b\nclass A(b.B):\n    def f(self):\n        self._x = self._y\n", {"_x", "_y"}),
        (b"this is no Python", set()),
    ],
)
def test_what_is_shared_between_modules_is_kept(module, names):
    assert kept([b"", module]) == names


FUNCTION = """
def reached(first, second, third=3):
    def inner(fourth):
        return first, second, fourth
    return inner(4), [first + i for i in range(2)], (lambda fifth: (second, fifth))(5), third
"""


def arguments(text):
    return {n.arg for n in ast.walk(ast.parse(text)) if isinstance(n, ast.arg)}


def test_arguments_become_letters_and_the_program_stays():
    short = shorten(FUNCTION.encode(), set()).decode()
    assert arguments(short) == {"a", "b", "c", "fourth", "fifth"}
    for text in (FUNCTION, short):
        names = {}
        exec(text, names)
        assert names["reached"](1, 2) == ((1, 2, 4), [1, 2], (2, 5), 3)


@pytest.mark.parametrize(
    "body",
    [
        "return lambda first: first",  # a scope of its own has one of that name
        "return [first for first in 'ab']",
        "try:\n        pass\n    except OSError as first:\n        pass",
        "import sys as first",
        "def g():\n        nonlocal first\n        first = 1",
        "return f'{first}'",
    ],
)
def test_arguments_that_cannot_be_followed_are_kept(body):
    text = f"def f(first):\n    {body}\n"
    assert shorten(text.encode(), set()).decode() == text


def test_arguments_that_a_boards_file_may_name_are_kept():
    text = b"class A:\n    def __init__(self, %s, second=2):\n        self.n = %s + second\n"
    assert shorten(text.replace(b"%s", b"first"), set()) == text.replace(b"%s", b"a")


def test_arguments_that_a_call_names_are_kept():
    text = b"def f(first):\n    return first\nf(first=1)\n"
    assert given([b"", text]) == {"first"}
    assert given([b"f(**{'second': 1, **third, 4: 5})"]) == {"second"}
    assert shorten(text, {"first"}) == text


IMPORT = "from micropython import const"


@pytest.mark.parametrize(
    "constants, imported",
    [
        ("_A = const(1)\nB = const(_A + 1)  # two", False),
        ("class A:\n    _B = const(b'two')", False),
        ("A, B = const(1), const(2)", True),
        ("_A = const(1)\ndef f():\n    return const(2)", True),
        ("A = (const(1), 2)", True),
        ("A = B = const(1)", True),
    ],
)
def test_const_is_imported_only_where_it_is_called(constants, imported):
    text = f"import sys\n{IMPORT}\n\n{constants}\n"
    short = text if imported else text.replace(IMPORT, "")
    assert shorten(text.encode(), set()) == short.encode()


def test_no_module_of_the_firmware_imports_const():
    modules = [path.read_bytes() for path in compiled().values()]
    keep = kept(modules)
    assert sum(IMPORT.encode() in text for text in modules) > 20
    assert not any(IMPORT.encode() in shorten(text, keep) for text in modules)


def test_the_firmware():
    """Most of its private names are short; no public attribute has changed."""
    modules = [path.read_bytes() for path in compiled().values()]
    keep = kept(modules)
    before, after = set(), set()
    for text in modules:
        short = shorten(text, keep)
        before |= attributes(text)
        after |= attributes(short)
        names = {n for n in attributes(text) if n[0] != "_"}
        assert names == {n for n in attributes(short) if n[0] != "_"}
    print(f"{len(before)} names of attributes became {len(after)}")
    assert len(after) < len(before) - 100
