"""One file by HTTP, HTTPS or FTP, down or up, a KB at a time, while the loop goes on. Loaded for
one transfer, as are stream.py (the connection), and http.py or ftp.py (what is said there).

A peer can neither keep a transfer for ever nor fill the heap: it has 30 s for the next byte, 5
minutes of waiting for each 30 KB, lines of 512 bytes, heads of 4 KB, files of 16 MB."""

import asyncio
import re
from binascii import b2a_base64
from micropython import const

from firmware import lazy

_URL = const(512)
_REDIRECTS = const(3)
_WHY = (
    ((111,), "it refuses the connection"),
    ((32, 104), "it has broken the connection"),
    ((101, 113, 118), "it cannot be reached"),
    ((-2, -3, -5), "it is not found"),
)


async def download(url, sink, at=0, ssl=None, resolve=None, stall_s=30):
    """Fetch `url` (http, https, or ftp with user:password@, else anonymous; passive, binary).
    at: the first byte that is wanted. sink: when the server has answered, begin(at, size) hears
    where what comes begins (there, or at 0 where the server cannot) and how long the whole file
    is, or None: then only the file itself can show that all of it came. write(view) gets each
    piece, of 1 KB at most. Either may be a coroutine function, and may raise ValueError: it ends
    the transfer, and is raised here.
    ssl: an SSLContext, or a function that makes one when it is wanted, or raises ValueError.
    resolve(host): awaitable, its address. Three redirects are followed, none from https to http.
    Raises OSError: in one line what went wrong; ValueError for a url that nothing can come by."""
    await _run("download", url, (sink, at), ssl, resolve, stall_s)


async def upload(url, name, pieces, ssl=None, resolve=None, stall_s=30):
    """Send a file. `pieces()` gives its bytes, 1 KB at most at once; by HTTP it is called twice,
    for the length comes first, and what differs then is cut, or filled with line ends. Where the
    path of `url` ends with / it is a folder, in which the file is `name`; by FTP also where there
    is a folder of that name. HTTP: PUT; where that is refused with 404, 405 or 501, or the
    connection breaks, a form (POST, multipart, the field `file`) to `url` as it is. All else as
    download()."""
    await _run("upload", url, (name, pieces), ssl, resolve, stall_s)


async def _run(what, url, args, ssl, resolve, stall_s):
    to, hops, form, secure = url, 0, False, False
    while True:
        scheme, user, netloc, host, port, path = _parse(to)
        try:
            if hops > _REDIRECTS:
                raise OSError("more than %d redirects" % _REDIRECTS)
            if secure and scheme != "https" or hops and scheme == "ftp":
                raise OSError("a redirect to %s is not followed" % scheme)
            secure = scheme == "https"
            address = await _address(host, resolve, stall_s)
            stream = lazy.load("network.stream").Stream(host, address, 1000 * stall_s)
            try:
                await stream.connect(port, _context(ssl) if secure else None)
                if scheme == "ftp":
                    name, _, password = user.partition(":")
                    module = lazy.load("network.ftp")
                    said = _plain(name), _plain(password), _plain(path[1:])
                else:
                    module, said = lazy.load("network.http"), (_head(netloc, user), path)
                    if what == "upload":
                        said += (form, not hops)
                again = await getattr(module, what)(stream, said, *args)
            finally:
                stream.close()
            if not again:
                return
            if again is True:
                to, hops, form = url, 0, True
            else:
                to, hops = _join(scheme, netloc, path, again), hops + 1
                _followed(to)
        except OSError as e:
            raise OSError("%s: %s" % (host, _text(e)))


def _parse(url):
    # -> scheme, user:password or "", what the Host header says, host, port, path with query
    scheme, colon, rest = url.partition("://")
    if not colon:  # (what it says instead may be a password)
        raise ValueError("not scheme://host[:port]/path")
    scheme, rest = scheme.lower(), rest.split("#")[0]
    netloc = rest.split("/")[0].split("?")[0]
    path = rest[len(netloc) :]
    user, _, netloc = netloc.rpartition("@")
    host, _, port = netloc.partition(":")
    if netloc.startswith("["):
        host, _, port = netloc[1:].partition("]")
        port = port[1:]
    default = {"http": 80, "https": 443, "ftp": 21}.get(scheme)
    if not default:
        raise ValueError("no transfer by %s, but by http, https and ftp" % scheme[:20])
    good = host and len(url) <= _URL and not [c for c in url.encode() if not 32 < c < 127]
    if port or netloc.endswith(":"):
        good = good and port.isdigit() and 0 < int(port[:6]) < 65536
    if not good:
        raise ValueError("not %s://host[:port]/path" % scheme)
    if not path.startswith("/"):
        path = "/" + path
    return scheme, user, netloc, host, int(port or default), path


def _join(scheme, netloc, path, to):
    # Where a redirect from there leads (RFC 3986, 5.2, but for dots, which servers understand).
    if "://" in to:
        return to
    if to.startswith("//"):
        return scheme + ":" + to
    if not to.startswith("/"):
        to = path.split("?")[0].rpartition("/")[0] + "/" + to
    return scheme + "://" + netloc + to


def _followed(to):
    try:
        _parse(to)
    except ValueError as e:
        raise OSError("a redirect to what is no address: %s" % e)


def _head(netloc, user):
    head = b"Host: %s\r\nUser-Agent: Pilotwire\r\nConnection: close\r\n" % netloc.encode()
    if user:
        user = b2a_base64(_plain(user)).strip()
        head += b"Authorization: Basic " + user + b"\r\n"
    return head


def _context(ssl):
    if ssl is None:
        raise OSError("https wants a CA, and there is none")
    try:
        return ssl if hasattr(ssl, "wrap_socket") else ssl()
    except ValueError as e:
        raise OSError(str(e))


async def _address(host, resolve, stall_s):
    if not resolve:
        return host
    try:
        return await asyncio.wait_for(resolve(host), stall_s)
    except asyncio.TimeoutError:
        raise OSError("it is not found: nobody answers")


def _text(e):
    # Of mbedTLS come its number and its text; of a socket a number.
    what = e.args[-1] if e.args else "it failed"
    if len(e.args) > 1:
        return "TLS: %s" % what
    for numbers, text in _WHY:
        if what in numbers:
            return text
    return str(what) if type(what) is str else "the network says %s" % e


def _plain(text):  # its bytes without percent signs (RFC 3986, 2.1)
    pair = rb"%[0-9A-Fa-f][0-9A-Fa-f]"
    return re.sub(pair, lambda m: bytes((int(m.group(0)[1:], 16),)), text.encode())
