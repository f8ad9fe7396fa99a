"""On the board private names are _a, _b, ... in each module, and arguments a, b, ...

MicroPython has a table of all names; beyond 1,260 it takes 9 KB more (docs/memory.md).
`self._seen_ms`, `self._read_state()`, a function `_quoted` and a class `_Car` are nobody's
business outside their module, so modules can share the names of theirs. Arguments that are given
by name somewhere keep theirs, and those of `__init__` with a default: a board's file may name
them. The source is as it was, and lines stay where they are: a traceback says module and line, and
a letter for a private function.

Nor is `const` imported on the board: the compiler knows it by its name, and each module would hold
it for ever.
"""

import ast
import builtins
from string import ascii_letters

_CONST = b"from micropython import const"


def kept(sources):
    """The private names that stay, of the texts of all modules: attributes that no class of their
    module has; what is imported; and all there is in a module that inherits from a class of
    another module, for these are attributes of one object."""
    names = set()
    for tree in map(_parse, sources):
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        bases = {ast.unparse(base) for node in classes for base in node.bases}
        inherits = bases - {node.name for node in classes} - set(dir(builtins))
        ours = _set(tree) | _functions(tree)
        own = ours | _named(tree)
        for node in _private(tree):
            if inherits or node.attr not in (own if _of_self(node) else ours):
                names.add(node.attr)
        names.update(node.name for node in ast.walk(tree) if isinstance(node, ast.alias))
        if inherits:
            names |= _functions(tree)
    return set(filter(_is_private, names))


def given(sources):
    """The arguments that keep their names: those that a call in one of these texts names, or a
    dict in it, which may be given as `**dict`."""
    names = set()
    for tree in map(_parse, sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword):
                names.add(node.arg)
            elif isinstance(node, ast.Dict):
                names.update(k.value for k in node.keys if isinstance(k, ast.Constant))
    return {name for name in names if isinstance(name, str)}


def letters(source, kept):
    """What the private names of a module (UTF-8) are on the board, {name: short}."""
    tree = _parse(source)
    taken = _named(tree) | kept
    free = [name for name in ("_" + letter for letter in ascii_letters) if name not in taken]
    ours = _set(tree) | _functions(tree) | _classes(tree) | _variables(tree)
    old = sorted(ours - _elsewhere(tree) - kept)
    return dict(zip(old, free, strict=False))  # (who has more of them keeps the rest)


def shorten(source, kept):
    """The text of a module (UTF-8) with its private names and its arguments renamed, and without
    the import of `const` if all its constants are the compiler's."""
    tree, new = _parse(source), letters(source, kept)
    lines = source.split(b"\n")
    edits = [(*place, new[place[2]]) for place in _places(tree) if place[2] in new]
    for node in _outermost(tree):
        edits += _arguments(node, kept)
    # From the end of each line, so that the columns before stay right.
    for number, begin, name, short in sorted(edits, reverse=True):
        line, end = lines[number - 1], begin + len(name)
        assert line[begin:end].decode() == name, name
        lines[number - 1] = line[:begin] + short.encode() + line[end:]
    if _const_compiles(tree):
        lines = [b"" if line == _CONST else line for line in lines]
    return b"\n".join(lines)


def _parse(source):
    try:
        return ast.parse(source)
    except SyntaxError:  # mpy-cross will say what it is
        return ast.Module([], [])


def _outermost(tree):
    """Functions and lambdas that are not in another: those share their names with it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
        else:
            yield from _outermost(node)


def _arguments(function, kept):
    """The edits that give the arguments of a function, or lambda, names of one letter."""
    positional = function.args.args
    if getattr(function, "name", None) == "__init__":  # (a class may be a driver)
        positional = positional[: len(positional) - len(function.args.defaults)]
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    fixed = kept | {"self"}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            used.add(node.arg)
        elif isinstance(node, ast.JoinedStr):  # (Python 3.11 does not know where its names stand)
            return []
        elif isinstance(node, ast.Global | ast.Nonlocal):
            fixed |= set(node.names)
        elif isinstance(node, ast.ExceptHandler):
            fixed.add(node.name)
        elif isinstance(node, ast.alias):
            fixed.add((node.asname or node.name).split(".")[0])
        if node is not function and isinstance(
            node,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.comprehension,
        ):  # what has names of its own may have one of these
            fixed |= _bound(node)
    old = [a for a in positional if a.arg not in fixed and len(a.arg) > 1]
    free = [letter for letter in ascii_letters if letter not in used]
    new = dict(zip([a.arg for a in old], free, strict=False))
    body = function.body if isinstance(function.body, list) else [function.body]
    places = [(a.lineno, a.col_offset, a.arg) for a in old]
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                places.append((node.lineno, node.col_offset, node.id))
    return [(*place, new[place[2]]) for place in places if place[2] in new]


def _bound(scope):
    names = {getattr(scope, "name", None)}
    for node in ast.walk(scope):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


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
    return {n.attr for n in _private(tree) if _of_self(n) and isinstance(n.ctx, ast.Store)}


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _functions(tree):
    """Private functions of the module and methods of its classes; no coroutines where the module
    calls tasks by the name of their function."""
    kinds = ast.FunctionDef if _names_tasks(tree) else ast.FunctionDef | ast.AsyncFunctionDef
    return {
        node.name
        for scope in ast.walk(tree)
        if isinstance(scope, ast.Module | ast.ClassDef)
        for node in scope.body
        if isinstance(node, kinds) and _is_private(node.name)
    }


def _classes(tree):
    """Private classes of the module."""
    return {n.name for n in tree.body if isinstance(n, ast.ClassDef) and _is_private(n.name)}


def _names_tasks(tree):
    # task.__name__, but not type(x).__name__
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "__name__"
        and not isinstance(node.value, ast.Call)
        for node in ast.walk(tree)
    )


def _variables(tree):
    """Private variables of the module, without the compiler's constants."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and not _is_const(node.value)
        for target in node.targets
        if isinstance(target, ast.Name) and _is_private(target.id)
    }


def _is_const(value):
    return isinstance(value, ast.Call) and getattr(value.func, "id", None) == "const"


def _elsewhere(tree):
    """Names that are something else too: a variable of a function or a class, an argument, text
    (getattr() might want it), what `global` names."""
    ours = [
        target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    ]
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.ClassDef):
            ours += scope.body
    ours = set(map(id, ours))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names.update(node.names)
        elif (
            isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and id(node) not in ours
        ):
            names.add(node.name)
        elif (
            isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in ours
        ):
            names.add(node.id)
    return names


def _places(tree):
    """(line, column, name) of everything that may be renamed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.end_lineno, node.end_col_offset - len(node.attr), node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.col_offset, node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.lineno, node.col_offset + len("def "), node.name
        elif isinstance(node, ast.AsyncFunctionDef):
            yield node.lineno, node.col_offset + len("async def "), node.name
        elif isinstance(node, ast.ClassDef):
            yield node.lineno, node.col_offset + len("class "), node.name


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
