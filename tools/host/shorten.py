"""On the board the private attributes of each module are called _a, _b, ...

MicroPython has a table of all names; beyond 1,260 it takes 9 KB more (architecture.md, Memory).
`self._seen_ms` is nobody's business outside its module, so modules can share the names of theirs.
Only of attributes that hold data: methods keep their names, and tracebacks with them. The source
is as it was, and lines stay where they are.

Nor is `const` imported on the board: the compiler knows it by its name, and each module would hold
it for ever.
"""

import ast
import builtins
from string import ascii_letters

_CONST = b"from micropython import const"


def kept(sources):
    """The private attributes that keep their names, of the texts of all modules: what is reached
    otherwise than through `self`, or is of another class; and all there is in a module that
    inherits from a class of another module, for these are attributes of one object."""
    names = set()
    for tree in map(_parse, sources):
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        bases = {ast.unparse(base) for node in classes for base in node.bases}
        inherits = bases - {node.name for node in classes} - set(dir(builtins))
        own = _set(tree) | _named(tree)
        for node in _private(tree):
            if inherits or not _of_self(node) or node.attr not in own:
                names.add(node.attr)
    return names


def shorten(source, kept):
    """The text of a module (UTF-8) with its private attributes renamed, and without the import of
    `const` if all its constants are the compiler's."""
    tree = _parse(source)
    named = _named(tree)
    letters = ("_" + letter for letter in ascii_letters)
    free = [name for name in letters if name not in named | kept]
    old = sorted(_set(tree) - named - kept)
    new = dict(zip(old, free, strict=False))  # (who has more of them keeps the rest)
    lines = source.split(b"\n")
    # From the end of each line, so that the columns before stay right.
    for node in sorted(_private(tree), key=lambda node: node.end_col_offset, reverse=True):
        if node.attr in new:
            line, end = lines[node.end_lineno - 1], node.end_col_offset
            begin = end - len(node.attr)
            assert line[begin:end].decode() == node.attr, node.attr
            lines[node.end_lineno - 1] = line[:begin] + new[node.attr].encode() + line[end:]
    if _const_compiles(tree):
        lines = [b"" if line == _CONST else line for line in lines]
    return b"\n".join(lines)


def _parse(source):
    try:
        return ast.parse(source)
    except SyntaxError:  # mpy-cross will say what it is
        return ast.Module([], [])


def _const_compiles(tree):
    # Only `NAME = const(...)` does: elsewhere, as in `A, B = const(1), const(2)`, it is called.
    calls = {
        node.value.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    }
    names = {node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "const"}
    return names <= calls


def _private(tree):
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]


def _of_self(node):
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _set(tree):
    return {node.attr for node in _private(tree) if isinstance(node.ctx, ast.Store)}


def _named(tree):
    # Methods, functions, variables, and what stands in a string: getattr() might want it.
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names
