"""On the board public constants are the numbers that they stand for, as private ones are by the
compiler's own doing: `states.FREE` is 0 there, and neither a name nor a place in a module's dict.

A constant is `NAME = const(...)` on a line of its own, at the top of a module, and a number. It
stays where somebody may come to it by another way than by its module's name or a `from` import:
by a module that was loaded under another name (lazy.load), by a text, in boot.py or pick.py. The
source is as it was, and lines stay where they are.
"""

import ast
import re


class Module:
    """A source that is compiled: its dotted name, tree and text (UTF-8)."""

    def __init__(self, name, text):
        self.name, self.text = name.removesuffix(".__init__"), text
        self.package = name.rpartition(".")[0]
        try:
            self.tree = ast.parse(text)
        except SyntaxError:  # mpy-cross will say what it is
            self.tree = ast.Module([], [])
        self.nodes = list(ast.walk(self.tree))
        # (Python 3.11 does not know where the names in an f-string stand)
        texts = [node for node in self.nodes if isinstance(node, ast.JoinedStr)]
        self.hidden = {id(node) for text in texts for node in ast.walk(text)}
        self.used = {n.id for n in self.nodes if isinstance(n, ast.Name)}
        self.stored = {node.arg for node in self.nodes if isinstance(node, ast.arg)} | {
            node.id
            for node in self.nodes
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }

    def constants(self):
        """{name: number} of its public ones."""
        known, public = {}, {}
        for node in self.tree.body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name, value = node.targets[0].id, node.value
            call = isinstance(value, ast.Call) and getattr(value.func, "id", None) == "const"
            if len(node.targets) > 1 or not call or len(value.args) != 1:
                continue
            code = compile(ast.Expression(value.args[0]), self.name, "eval")
            try:
                known[name] = eval(code, {"__builtins__": {}}, dict(known))
            except Exception:
                continue
            whole = node.lineno == node.end_lineno
            if type(known[name]) is int and known[name] >= 0 and whole and name[0] != "_":
                public[name] = known[name]
        stores = [n.id for n in self.nodes if isinstance(n, ast.Name) and n.id in public
                  and not isinstance(n.ctx, ast.Load)]  # fmt: skip
        return {name: n for name, n in public.items() if stores.count(name) == 1}

    def source_of(self, node):
        """The dotted name of the module that an ImportFrom is from."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        base = parts[: len(parts) - node.level + 1]
        return ".".join(base + ([node.module] if node.module else []))

    def aliases(self, modules):
        """{name here: dotted name} of the modules that it imports by name, once and for all."""
        found = {}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    name, full = alias.asname or alias.name, f"{self.source_of(node)}.{alias.name}"
                    if full in modules and name not in self.stored:
                        found[name] = full if found.get(name, full) == full else None
        return {name: full for name, full in found.items() if full}


def table(texts, others=()):
    """{dotted name: {constant: number}} of what can be put in, of {dotted name: text}; `others`:
    texts that are not compiled."""
    modules = {name.removesuffix(".__init__"): Module(name, text) for name, text in texts.items()}
    found = {name: module.constants() for name, module in modules.items()}
    needed = set()
    for module in modules.values():
        needed |= _unresolved(module, module.aliases(modules), found)
    for text in others:
        needed |= set(re.findall(r"\w+", text.decode()))
    return {
        name: {key: n for key, n in constants.items() if key not in needed}
        for name, constants in found.items()
    }


def _unresolved(module, aliases, found):
    names = set()
    for node in module.nodes:
        if isinstance(node, ast.Attribute):
            value = node.value
            alias = aliases.get(value.id) if isinstance(value, ast.Name) else None
            line = node.lineno == node.end_lineno and isinstance(node.ctx, ast.Load)
            if id(node) in module.hidden or not (alias and line and node.attr in found[alias]):
                names.add(node.attr)
        elif isinstance(node, ast.Name) and id(node) in module.hidden:
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names.update(node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.asname or alias.name in module.stored or node.names[0].name == "*":
                    names.add(alias.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    # (a variable or an argument of a function that is called like a constant of its module)
    return names | (module.stored - set(module.constants()))


def put_in(name, text, table):
    """The text of the module `name` with the constants of `table` in their places."""
    module = Module(name, text)
    own, aliases = table.get(module.name, {}), module.aliases(table)
    imported, lines, edits = dict(own), text.split(b"\n"), []
    statements = [n for n in module.nodes if isinstance(n, ast.ImportFrom)]
    for node in statements:
        constants = table.get(module.source_of(node), {})
        imported.update({a.name: constants[a.name] for a in node.names if a.name in constants})
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            alias = aliases.get(node.value.id)
            if alias and node.attr in table[alias]:
                edits.append((node.lineno, node.col_offset, node.end_col_offset,
                              str(table[alias][node.attr])))  # fmt: skip
        elif isinstance(node, ast.Name) and node.id in imported:
            if isinstance(node.ctx, ast.Load):
                edits.append((node.lineno, node.col_offset, node.end_col_offset,
                              str(imported[node.id])))  # fmt: skip
    for number, begin, end, new in sorted(edits, reverse=True):
        line = lines[number - 1]
        lines[number - 1] = line[:begin] + new.encode() + line[end:]
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in own:
            lines[node.lineno - 1] = b""
    used = _names(b"\n".join(lines).decode())
    for node in statements:
        _import(module, node, imported, aliases, used, table, lines)
    return b"\n".join(lines)


def _names(text):
    try:
        return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
    except SyntaxError:
        return set(re.findall(r"\w+", text))


def _gone(module, alias, used):
    name = alias.asname or alias.name
    return name in module.used and name not in used


def _import(module, node, imported, aliases, used, table, lines):
    # Without what is a number now, or a module that is not named any more.
    constants = table.get(module.source_of(node), {})
    rest = [
        alias
        for alias in node.names
        if not (alias.name in constants and not alias.asname)
        and not ((alias.asname or alias.name) in aliases and _gone(module, alias, used))
    ]
    if len(rest) == len(node.names):
        return
    first = lines[node.lineno - 1]
    indent = first[: node.col_offset].decode()
    said = "from " + "." * node.level + (node.module or "") + " import "
    said += ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in rest)
    lines[node.lineno - 1] = (indent + (said if rest else "pass")).encode()
    for number in range(node.lineno, node.end_lineno):
        lines[number] = b""
