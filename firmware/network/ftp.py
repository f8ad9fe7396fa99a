"""FTP for one file (RFC 959, 2428, 3659), passive and binary, by stream.Stream.
transfer.py loads it."""

import re
from micropython import const

_REPLY = const(4096)  # all lines of one


async def download(stream, said, sink, at):
    """See transfer.download(); said: user, password, path; stream: to the server's port."""
    path = await _login(stream, said)
    code, text = await _ask(stream, b"SIZE " + path)
    size = text.split(" ")[-1] if code == 213 else ""
    size = int(size) if size.isdigit() and len(size) < 10 else None
    if at and size == at:  # (all of it is there already)
        return await stream.done(sink.begin(at, size))
    data = await _passive(stream)
    try:
        if at and (await _ask(stream, b"REST %d" % at))[0] != 350:
            at = 0
        await _ask(stream, b"RETR " + path, 1)
        await stream.done(sink.begin(at, size))
        end = await data.pour(sink, at, None)
    finally:
        data.close()
    if size is not None and end != size:
        why = "cut short at byte %d of %d" if end < size else "%d bytes came, and %d are said"
        raise OSError(why % (end, size))
    await _ask(stream, None, 2)


async def upload(stream, said, name, pieces):
    """See transfer.upload(); said and stream as above."""
    path = await _login(stream, said)
    if not path or path.endswith(b"/"):
        path += name.encode()
    elif (await _ask(stream, b"CWD " + path))[0] == 250:
        path = name.encode()
    data = await _passive(stream)
    try:
        await _ask(stream, b"STOR " + path, 1)
        for piece in pieces():
            await data.write(piece)
    except OSError as e:  # (who refuses it may have said why)
        data.close()
        if e.args and type(e.args[-1]) is int:
            await _ask(stream, None, 2)
        raise
    finally:
        data.close()
    await _ask(stream, None, 2)


async def _login(stream, said):  # -> the path
    user, password, path = said
    await _ask(stream, None, 2)
    code, text = await _ask(stream, b"USER " + (user or b"anonymous"))
    if code == 331:
        code, text = await _ask(stream, b"PASS " + (password or b"pilotwire"))
    if code // 100 != 2:
        raise OSError("FTP " + text)
    await _ask(stream, b"TYPE I", 2)
    return path


async def _passive(stream):  # -> a connection for the data, to the same host, whatever it says
    code, text = await _ask(stream, b"EPSV")
    port = text.partition("(|||")[2].partition("|)")[0]
    if code == 229 and port.isdigit():
        port = int(port[:6])
    else:
        code, text = await _ask(stream, b"PASV", 2)
        found = re.search(r"\d+,\d+,\d+,\d+,(\d+),(\d+)", text)
        port = int(found.group(1)[:4]) << 8 | int(found.group(2)[:4]) & 255 if found else 0
    if not 0 < port < 65536:
        raise OSError("FTP %s: no port" % text)
    data = stream.copy()
    try:
        await data.connect(port)
    except BaseException:
        data.close()
        raise
    return data


async def _ask(stream, command, wanted=None):
    # Send it, if it is one -> code and text of the reply, whose first digit must be that.
    if command is not None:
        if [c for c in command if c in b"\r\n\0"]:
            raise OSError("a line end in a name")
        await stream.write(command + b"\r\n")
    left, first = _REPLY, None
    while True:
        line = await stream.readline()
        left -= len(line) + 2
        if left < 0:
            raise OSError("its reply is longer than %d bytes" % _REPLY)
        if first is None:
            first = line[:3]
            if len(first) < 3 or not first.isdigit():
                raise OSError("no FTP is spoken there")
        if line[:3] == first and line[3:4] != b"-":
            break
    code = int(first)
    text = bytes([c if 32 <= c < 127 else 63 for c in line[:200]]).decode()
    if wanted and code // 100 != wanted:
        raise OSError("FTP " + text)
    return code, text
