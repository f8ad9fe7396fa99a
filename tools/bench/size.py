"""How much there is of each package: bytes on the board and lines of source."""

import ast
import tokenize

from bench import measurement
from host.build import build, package, sizes, sources

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
HAS_DOCSTRING = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def code_lines(path):
    """Lines that hold code: no blank lines, comments or docstrings."""
    lines = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in NO_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, HAS_DOCSTRING) and ast.get_docstring(node) is not None:
            text = node.body[0]
            lines.difference_update(range(text.lineno, text.end_lineno + 1))
    return len(lines)


@measurement
def size():
    """Per package: bytes of .mpy, files, lines of code, lines in all."""
    bytes_of = sizes(build())
    table = {}
    for target, source in sources().items():
        if source.suffix != ".py":  # (of the page: counted by its bytes alone)
            continue
        row = table.setdefault(
            package(target), {"mpy_bytes": 0, "files": 0, "code_lines": 0, "lines": 0}
        )
        row["files"] += 1
        row["code_lines"] += code_lines(source)
        row["lines"] += len(source.read_text().splitlines())
    for name, row in table.items():
        row["mpy_bytes"] = bytes_of[name]
    table["total"] = {key: sum(row[key] for row in table.values()) for key in row}
    return table
