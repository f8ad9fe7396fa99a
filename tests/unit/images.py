"""Images as tools/host/romfs.py makes them, of modules whose sources are given."""

from binascii import crc32

ENTRY, NEAR = 11, 8  # as in romfile.py
# What mpy-cross makes of exec('...'): before and behind the text with its length.
BEFORE = b"M\x06\x00\x1f\x03\x01\x03\x0f\x81#\x05"
BEHIND = b"\0`\x08\x02\x01\x11\x02#\x004\x01YQc"


def varint(number):
    data = bytes((number & 127,))
    number >>= 7
    while number:
        data = bytes((128 | number & 127,)) + data
        number >>= 7
    return data


def mpy(source):
    """A .mpy file that does what `source` says."""
    text = source.encode()
    return BEFORE + varint(len(text)) + text + BEHIND


def record(kind, data):
    return varint(kind) + varint(len(data)) + data


def folder(tree):
    """The records of {name: bytes, or such a dict}."""
    out = b""
    for name, what in sorted(tree.items()):
        head = varint(len(name)) + name.encode()
        if isinstance(what, dict):
            out += record(4, head + folder(what))
        else:
            out += record(5, head + record(2, what))
    return out


def paths(tree, above=""):
    for name, what in tree.items():
        yield above + "/" + name, what
        if isinstance(what, dict):
            yield from paths(what, above + "/" + name)


def with_crc(data):
    return bytes(data) + crc32(data).to_bytes(4, "little")


def image(tree, places=32):
    """The image of {"firmware": {"x.mpy": bytes}, ...}, with its table and its CRC-32."""
    size = (places + NEAR - 1) * ENTRY + 2
    body = folder(tree) + varint(1) + varint(size)
    body = b"\xd2\xcd\x31" + varint(len(body) + size) + body
    table = bytearray(size)
    for path, what in [("/", tree)] + list(paths(tree)):
        crc = crc32(path)
        at = crc % places * ENTRY
        while table[at + 4]:
            at += ENTRY
        is_folder = isinstance(what, dict)
        entry = crc.to_bytes(4, "little") + (b"\x40" if is_folder else b"\x80")
        if not is_folder:
            begin = body.index(what)  # (of two alike the first will do)
            entry += begin.to_bytes(3, "little") + len(what).to_bytes(3, "little")
        table[at : at + len(entry)] = entry
    table[-2:] = places.to_bytes(2, "little")
    return with_crc(body + table)
