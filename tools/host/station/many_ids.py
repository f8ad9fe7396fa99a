"""Which stations `--count` and `--ids` mean, and what each of them has of its own."""

import copy
import re
import resource
from pathlib import Path

ID = re.compile(r"[A-Za-z0-9*_=:+|@.-]{1,48}")  # an identifierString of OCPP, also a folder's name
TAKEN = ("all", "help", "list", "quit", ".", "..")  # first words on the control port; folders
OF_ONE = ("flash", "console", "trace", "page", "wall")  # options that many stations cannot share
NEED_PASSWORD = (1, 2)  # security profiles
FILES = 8  # that one station has open, here
OUR_FILES = 64
PORTS = 28000  # of this PC, for connections to one address
SPREAD_s = 0.25  # between two starts, if nothing is said


def add_options(add):
    """The options of many stations."""
    add("--count", type=int, metavar="N", help="N stations, NAME1 to NAMEN: --id says NAME, or "
        "it is CP; or the first N of --ids. They share --control, where a line begins with the id "
        "that it is for")  # fmt: skip
    add("--ids", metavar="FILE", help="stations with these ids, one a line, after a space the "
        "password of that station if it has one; a line of # is a comment")  # fmt: skip
    add("--spread", type=float, metavar="SECONDS", help="of --count and --ids: from the first "
        f"start to the last (default {SPREAD_s} s a station)")  # fmt: skip
    add("--state", metavar="FOLDER", help="of --count and --ids: FOLDER/ID has the flash image of "
        "each and its meters (default: temporary ones), 2 MB each")  # fmt: skip


def stations(parser, args):
    """-> the arguments of each station, by id; the parser says what is wrong. {}: there is one."""
    if not args.many:
        for name in ("spread", "state"):
            if getattr(args, name) is not None:
                parser.error(f"--{name} is for --count or --ids")
        return {}
    for name in OF_ONE:
        if getattr(args, name, None) not in (None, False):
            more = "; --state FOLDER keeps those of many" if name == "flash" else ""
            parser.error(f"--{name} is of one station: not with --count or --ids{more}")
    if args.count is not None and args.count < 1:
        parser.error("--count: 1 or more")
    _allowed(parser, args.count or 1)
    ids = _numbered(parser, args) if args.ids is None else _listed(parser, args)
    _allowed(parser, len(ids))
    bare = [name for name in ids if not (ids[name] or args.unit.get("password"))]
    if bare and args.unit.get("security_profile") in NEED_PASSWORD:
        parser.error(f"{bare[0]} has no password, which its security profile needs")
    if args.spread is None:
        args.spread = SPREAD_s * (len(ids) - 1)
    if not 0 <= args.spread <= 86400:
        parser.error("--spread: 0 to 86400 seconds")
    return {name: _own(args, name, password) for name, password in ids.items()}


def _numbered(parser, args):
    name = args.unit["id"]
    for at in (1, args.count):
        why = _wrong(f"{name}{at}")
        if why:
            parser.error(f"--id: {name}{at}: {why}")
    return dict.fromkeys([f"{name}{i}" for i in range(1, args.count + 1)])


def _listed(parser, args):
    if args.id is not None:
        parser.error("--id: the ids are those of --ids")
    try:
        lines = Path(args.ids).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        parser.error(f"--ids: {e}")
    ids = {}
    for i, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, *rest = line.split()
        why = _wrong(name) or ("it is there twice" if name in ids else "")
        if len(rest) > 1:
            why = why or "a password has no blanks, and a comment a line of its own"
        if why:
            parser.error(f"--ids: {args.ids}, line {i}: {name}: {why}")
        ids[name] = rest[0] if rest else None
        if len(ids) == args.count:
            break
    if not ids:
        parser.error(f"--ids: no station's id is in {args.ids}: write one a line")
    if len(ids) < (args.count or 0):
        parser.error(f"--ids: {args.ids} has {len(ids)} ids: write more, or a smaller --count")
    return ids


def _wrong(name):
    # Why this id cannot be, or "".
    if not ID.fullmatch(name):
        return "an id has 1 to 48 letters, digits or *-_=:+|@."
    return "the control port has another meaning for this word" if name in TAKEN else ""


def _allowed(parser, count):
    # No more than the ports of this PC and the limits of this process allow.
    if count > PORTS:
        parser.error(f"{count} stations need more ports than there are: {PORTS} is the most")
    for name, each, ours, how in (
        ("RLIMIT_NOFILE", FILES, OUR_FILES, "files (ulimit -Hn"),
        ("RLIMIT_NPROC", 1, 1, "processes (ulimit -Hu"),
    ):
        limit = resource.getrlimit(getattr(resource, name))[1]
        if limit != resource.RLIM_INFINITY and count * each + ours > limit:
            most = max(0, limit - ours) // each
            parser.error(f"{count} stations need more {how}: {limit}) than this user may have: "
                f"{most} is the most")  # fmt: skip


def raise_limit(count):
    """Let this process have as many files open as `count` stations need."""
    needed = FILES * count + OUR_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _own(args, name, password):
    # What one of them is started with.
    own = copy.copy(args)
    own.unit = {**args.unit, "id": name}
    if password is not None:
        own.unit["password"] = password
    if args.state is not None:
        own.flash = str(Path(args.state) / name / "flash.img")
    return own
