"""The faults: where the source can be turned by a little, and which of them a seed picks."""

import ast
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TURNED = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
UNITS = {10: 1, 60: 1000, 100: 1000, 1000: 100, 3600: 60, 86400: 3600}
OTHERS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# What no test should notice: what is only said, and when the heap is swept.
SAID = {"print", "debug", "info", "warning", "error", "log", "_log", "say", "collect", "forget"}
# Turned, these do the same.
EQUIVALENT = {
    # A tick is 25 ms.
    "firmware/electrical/contact.py: _BACK_ms = const(60000): 60000 -> 59999",
    # (the meter has ten registers)
    "firmware/drivers/modbus.py: data = await self._bus.read(self._address, 0, 8): 8 -> 9",
}


class Fault:
    """`old` at start..end of the file (bytes) becomes `new`."""

    def __init__(self, path, source, start, end, new):
        self.path, self.start, self.end, self.new = path, start, end, new
        self.old = source[start:end].decode()
        self.line = source.count(b"\n", 0, start) + 1
        begin = source.rfind(b"\n", 0, start) + 1
        line = source[begin : source.find(b"\n", start)].decode().strip()
        self.place = f"{line}: {self.old} -> {new}"

    def __str__(self):
        return f"{self.path}:{self.line}: {self.place}"

    def applied(self, source):
        """The source with the fault."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def modules(root=ROOT):
    """The modules that get faults: a board is data, and a version says nothing but itself."""
    for folder in ("firmware", "lib"):
        for path in sorted((root / folder).rglob("*.py")):
            if "boards" not in path.parts and path.name != "version.py":
                yield path.relative_to(root)


def faults(path, root=ROOT):
    """Every fault of one module, in the order of the source."""
    source = (root / path).read_bytes()
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []

    def at(line, column):
        return starts[line - 1] + column

    def span(node):
        return at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)

    def add(node, new, start=None, end=None):
        if start is None:
            start, end = span(node)
        fault = Fault(str(path), source, start, end, new)
        if f"{path}: {fault.place}" not in EQUIVALENT:
            found.append(fault)

    def between(left, right, kind):
        # The operator stands between two operands; brackets may too.
        old, new = TURNED[type(kind)]
        start, end = span(left)[1], span(right)[0]
        where = source.find(old.encode(), start, end)
        if where >= 0:
            add(None, new, where, where + len(old))

    def visit(node):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__slots__":
            return
        if isinstance(node, ast.Raise | ast.JoinedStr):
            return  # the words of it
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str | bytes):
                return
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in SAID:
                return
            if name in OTHERS and isinstance(node.func, ast.Name):
                add(node.func, OTHERS[name])
        if isinstance(node, ast.Compare) and type(node.ops[0]) in TURNED:
            between(node.left, node.comparators[0], node.ops[0])
        elif isinstance(node, ast.BoolOp):
            between(node.values[0], node.values[1], node.op)
            for value in (node.values[0], node.values[-1]):  # one condition alone
                a, b = span(value)
                add(node, "(" + source[a:b].decode() + ")")
        elif isinstance(node, ast.BinOp) and type(node.op) in TURNED:
            between(node.left, node.right, node.op)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            a, b = span(node.operand)
            add(node, "(" + source[a:b].decode() + ")")
        elif isinstance(node, ast.Constant):
            if node.value is True or node.value is False:
                add(node, str(not node.value))
            elif type(node.value) is int:
                add(node, str(UNITS.get(node.value, node.value + 1)))
                if node.value > 1:
                    add(node, str(node.value - 1))
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            if not isinstance(node.test, ast.Constant | ast.Compare | ast.BoolOp | ast.UnaryOp):
                a, b = span(node.test)
                add(node.test, "not (" + source[a:b].decode() + ")")
        elif isinstance(node, ast.Break | ast.Continue):
            add(node, "continue" if isinstance(node, ast.Break) else "break")
        elif isinstance(node, ast.Return):
            if node.value is not None and not isinstance(node.value, ast.Constant):
                add(node, "return None")
        elif isinstance(node, ast.AugAssign):
            add(node, "pass")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
            called = getattr(node.value, "value", node.value)
            called = getattr(called, "func", called)
            if getattr(called, "attr", getattr(called, "id", "")) not in SAID:
                add(node, "pass")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # An early return: its second half does not happen.
            body = node.body
            if len(body) > 2 and not any(isinstance(n, ast.Yield) for n in ast.walk(node)):
                a, b = span(body[len(body) // 2])
                add(None, "return", a, b)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def _different(fault, source):
    """Does it compile, and to another tree than before?"""
    try:
        return ast.dump(ast.parse(fault.applied(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False  # (what stands between two operands is not always one word)


def picked(seed, count, root=ROOT):
    """`count` faults, spread over the modules: number n is the same for the same seed and tree."""
    order = []
    for path in modules(root):
        mine = faults(path, root)
        random.Random(f"{seed} {path}").shuffle(mine)
        # A module's share grows with the root of its size: a small one is not left out.
        step = 1 / max(1, len(mine)) ** 0.5
        offset = random.Random(f"{path} {seed}").random()
        order += [((i + offset) * step, str(fault), fault) for i, fault in enumerate(mine)]
    order.sort(key=lambda each: each[:2])
    found = []
    for _, _, fault in order:
        if len(found) < count and _different(fault, (root / fault.path).read_bytes()):
            found.append(fault)
    return found
