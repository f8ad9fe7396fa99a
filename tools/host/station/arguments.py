"""The command line of tools/station, and the board that it names."""

import argparse
import importlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from host import page_password, station
from host.build import ROOT, version
from host.romfs import in_place
from host.station.board import CHIPS
from host.station.control import HELP
from host.station.many_ids import add_options, stations

NO_NUMBER = re.compile(r"invalid (int|float) value: '(.*)'")  # (argparse's words)
NUMBERS = {"int": "a whole number", "float": "a number"}


def is_url(text):
    """True if a station could dial this."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return bool(good) and "@" not in parts.netloc and "#" not in text and text.isprintable()


def load_board(args):
    """The board's data file, as the firmware reads it."""
    path = ROOT / "firmware" / "boards" / (args.unit["board"] + ".py")
    if not path.exists() or path.stem == "__init__":
        names = sorted(p.stem for p in path.parent.glob("[a-z]*.py"))
        raise SystemExit(f"station: board {args.unit['board']}: there are {', '.join(names)}")
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    check_board = importlib.import_module("firmware.check_board")
    try:
        board = importlib.import_module("firmware.boards." + path.stem)
        check_board.check(board)
        return board
    except SyntaxError as e:
        raise SystemExit(f"station: {e.filename}, line {e.lineno}: {e.msg}") from None
    except Exception as e:  # (whatever is in it)
        what = e if type(e) is ValueError else f"{path}: {type(e).__name__}: {e}"
        raise SystemExit(f"station: {what}") from None


class Parser(argparse.ArgumentParser):
    def error(self, message):
        message = NO_NUMBER.sub(
            lambda m: f"{m[2]} is not {NUMBERS[m[1]]}", message.removeprefix("argument ")
        )
        self.exit(2, f"station: {message} (--help tells more)\n")


def find_interpreter(parser, args):
    """--interpreter and --heap become what Station wants; the parser says what is wrong."""
    size = re.fullmatch("([1-9][0-9]{0,8})([KM]?)", args.heap, re.IGNORECASE)
    if not size:
        parser.error(f"--heap: {args.heap} is not a size like 128K")
    args.heap = int(size[1]) << {"": 0, "K": 10, "M": 20}[size[2].upper()]
    slow = args.chip != "off"
    name, default = ("MICROPYTHON32", "build/micropython32/micropython32")
    small = os.environ.get(name) or str(ROOT / default)
    if not slow and not (getattr(args, "many", False) and shutil.which(small)):
        name, default = "MICROPYTHON", ".venv/bin/micropython"
    args.interpreter = args.interpreter or os.environ.get(name) or str(ROOT / default)
    if os.sep in args.interpreter:  # it is started with / as its folder
        args.interpreter = os.path.abspath(args.interpreter)
    if not shutil.which(args.interpreter):
        parser.error(f"no MicroPython at {args.interpreter}: run 'make setup', or --interpreter")
    if slow and not in_place(args.interpreter):
        parser.error(f"--chip: {args.interpreter} has no ffi: the 32-bit one of 'make setup' has")


def arguments(argv=None):
    parser = Parser(
        prog="tools/station",
        description=station.__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--url", action="append", help="of the Central System, without the station's id: "
        "ws://HOST:PORT/PATH; once more for the one to try when that fails")  # fmt: skip
    add("--id", help="chargePointId")
    add("--password", help="for Basic authentication")
    add("--flash", help="flash image that survives from run to run (default: a temporary one)")
    add("--connectors", type=int, help="1 to 4 (default 1)")
    add("--interpreter", help="MicroPython unix port (default: $MICROPYTHON or the one in .venv)")
    add("--chip", default="off", choices=CHIPS, help="what the board computes, writes and waits "
        "for takes as long as on that chip; off (default): as on this PC")  # fmt: skip
    add("--heap", help="for the firmware, without what the simulated chip needs (default "
        "320K)")  # fmt: skip
    add("--code", default="romfs", metavar="WHAT", help="romfs (default): the firmware runs from "
        "a ROMFS image, in place, as from the flash of an ESP32; NAME.romfs: from that image; "
        "files: from .mpy files, which are loaded into the heap")  # fmt: skip
    add("--control", type=int, metavar="PORT", help="TCP port on 127.0.0.1 for commands; 0: any")
    add("--console", action="store_true", help="what is typed here goes to the firmware's console "
        "(docs/console.md), as over its serial line")  # fmt: skip
    add("--trace", metavar="FILE", help="one JSON object a line for every change")
    add("--speed", type=int, default=1, help="simulated seconds per second (default 1: the "
        "simulated clock is the host's)")  # fmt: skip
    add("--config", metavar="FILE", help="config.json of the unit; the options above come first")
    add("--security-profile", type=int, choices=range(4), help="of OCPP's security white paper: "
        "0 none, 1 password, 2 TLS and password, 3 TLS and certificate (default: 2 with wss://, "
        "else 0)")  # fmt: skip
    add("--certs", metavar="DIR", help="put ca*.der, maker*.der, client.der and client.key.der of "
        "this folder on the unit, in /certs (docs/security.md)")  # fmt: skip
    add("--page", type=int, metavar="PORT", help="the unit's own page (docs/page.md), on "
        "http://127.0.0.1:PORT")  # fmt: skip
    add("--wall", type=int, metavar="PORT", help="a page of the wall and the car, to plug, pause, "
        "break things, on http://127.0.0.1:PORT; 0: any (default: beside --page, the port after "
        "that)")  # fmt: skip
    add("--page-password", metavar="TEXT", help="of that page (default: one is made, and told)")
    add("--page-token", metavar="TEXT", help="for programs (default: one is made, and told)")
    add_options(add)
    add("--policy", metavar="FILE", help="put on the unit as /policy.py, the owner's rules")
    add("--true-clock", action="store_true", help="take the Central System's time as it is, "
        "also when --speed makes simulated time run away from it (always at speed 1)")  # fmt: skip
    add("--version", action="version", version=f"Pilotwire {version()}")
    args = parser.parse_args(argv)
    if args.policy:
        try:
            args.policy = Path(args.policy).read_text()
        except (OSError, UnicodeDecodeError) as e:
            parser.error(f"--policy: {e}")
    args.certs = certificates(parser, args.certs)
    if args.page is not None and not 1 <= args.page <= 65535:
        parser.error("--page: 1 to 65535")
    if args.wall is not None and not 0 <= args.wall <= 65535:
        parser.error("--wall: 0 to 65535")
    unit = {}
    if args.config:
        try:
            unit = json.loads(Path(args.config).read_text())
        except (OSError, ValueError) as e:
            parser.error(f"--config: {e}")
        if not isinstance(unit, dict):
            parser.error("--config: an object is expected")
    for name in ("url", "id", "password", "connectors", "security_profile"):
        if getattr(args, name) is not None:
            unit[name] = getattr(args, name)
    if args.page:
        args.page_password = args.page_password or page_password.made()
        args.page_token = args.page_token or page_password.made_token()
        unit["page"] = page_password.page(args.page_password, args.page_token)
        unit["page"]["port"] = args.page
    args.connectors = unit.setdefault("connectors", 1)
    if not isinstance(args.connectors, int) or not 1 <= args.connectors <= 4:
        parser.error("--connectors: 1 to 4")
    unit.setdefault("board", "reference" if args.connectors == 1 else "wall")
    args.many = args.count is not None or args.ids is not None
    if args.many:
        unit.setdefault("id", "CP")
    for name in ("url", "id"):
        if not unit.get(name):
            parser.error(f"--{name} is needed (or {name} in --config)")
    for name in ("id", "board"):
        if not isinstance(unit[name], str):
            parser.error(f"--config: {name}: text is expected")
    urls = unit["url"] if isinstance(unit["url"], list) else [unit["url"]]
    for url in urls:
        if not isinstance(url, str):
            parser.error("--config: url: text or a list of texts is expected")
        if not is_url(url):
            parser.error(f"--url: {url} is not ws://HOST[:PORT][/PATH] (or wss://...)")
    if all(url.lower().startswith("wss:") for url in urls):
        unit.setdefault("security_profile", 2)
    if args.heap is None:
        args.heap = "320K"  # (an update puts the code into it: from files it takes 140 KB)
    find_interpreter(parser, args)
    if args.code not in ("romfs", "files") and not (
        args.code.endswith(".romfs") and Path(args.code).is_file()
    ):
        parser.error(f"--code: {args.code} is neither romfs, files nor an image (NAME.romfs)")
    if getattr(args, "console", False) and sys.stdin is None:
        parser.error("--console: nothing can be typed, for stdin is closed")
    if args.control is not None and not 0 <= args.control <= 65535:
        parser.error("--control: 0 to 65535")
    if not 1 <= args.speed <= 5000:
        parser.error("--speed: 1 to 5000")
    args.unit = unit
    args.stations = stations(parser, args)
    return args


def certificates(parser, folder):
    """What is to be on the unit's flash of the certificates in `folder`: path -> [hex digits]."""
    if folder is None:
        return {}
    names = ("ca*.der", "maker*.der", "client.der", "client.key.der")
    paths = [path for name in names for path in sorted(Path(folder).glob(name))]
    if not paths:
        parser.error(f"--certs: {folder} has no {', '.join(names)}")
    return {f"/certs/{path.name}": [path.read_bytes().hex()] for path in paths}
