"""The unit's certificates on flash: roots, and pairs, which are a private key and the chain of its
certificate. What one is worth knows station/certificates.py. Loaded when needed.

| file of /certs | what |
|---|---|
| ca*.der | a root of Central Systems |
| ca-fallback.der | one whose place another took, while no connection without it has worked |
| ca-removed.der | the same of one that was removed; there is one of the two at most |
| maker*.der | a root of those who sign firmware |
| client.der, client.key.der | the owner's pair |
| own | the pair that came over the network, which takes its place |
| new0 to new3 | one that no connection has worked with yet, and how often it was refused |
| request | the private key for which a certificate was asked |
| part | what is being written |

All is in DER. own and new: one byte, the version; each with its length in two bytes: which
client.der there was then, the key, the unit's certificate; and where others come between that and
the root the whole chain in PEM."""

import os
from binascii import b2a_base64
from hashlib import sha256
from micropython import const

CENTRAL = "ca"  # kinds of roots
MAKER = "maker"
FALLBACK = "ca-fallback.der"
REMOVED = "ca-removed.der"
MOST = const(8)  # roots
_FOLDER = const("/certs/")
_OWN = const("own")
_NEW = const("new")
_REQUEST = const("request")
_SPENT = const("new3")
_PART = const("part")
_VERSION = const(1)
_ENOENT = const(2)


def _all():
    try:
        return sorted(os.listdir(_FOLDER[:-1]))
    except OSError:
        return []


def names(kind):
    """The files with roots of a kind, in order."""
    return [name for name in _all() if name.startswith(kind) and name[-4:] == ".der"]


def listed(kind):
    """Those of them that are told: one that was removed is not."""
    return [name for name in names(kind) if name != REMOVED]


def current(kind):
    """Those that a dial goes by first: without one that was replaced or removed."""
    return [name for name in names(kind) if name not in (FALLBACK, REMOVED)]


def before():
    """The one that was replaced or removed, or None."""
    for name in (FALLBACK, REMOVED):
        if name in names(CENTRAL):
            return name
    return None


def roots(kind):
    """Generator: those roots, in DER. One that cannot be read may have been the one that is
    looked for: after all others it raises OSError."""
    error = None
    for name in names(kind):
        try:
            yield read(name)
        except OSError as e:
            error = e
    if error:
        raise error


def read(name):
    """What is in that file. Raises OSError."""
    with open(_FOLDER + name, "rb") as f:
        return f.read()


def put(name, parts):
    """Make that file of `parts`, an iterable of bytes: all of it, or it stays as it was. Raises
    OSError."""
    try:
        os.mkdir(_FOLDER[:-1])
    except OSError:
        pass  # (it is there; or else the next line says so)
    try:
        with open(_FOLDER + _PART, "wb") as f:
            for part in parts:
                f.write(part)
        rename(_PART, name)
    except OSError:
        try:
            remove(_PART)
        except OSError:
            pass  # (what it takes is free with the next one)
        raise


def rename(name, new):
    """Raises OSError."""
    os.rename(_FOLDER + name, _FOLDER + new)


def remove(name):
    """Remove that file, if it is there. Raises OSError."""
    try:
        os.remove(_FOLDER + name)
    except OSError as e:
        if e.errno != _ENOENT:
            raise


# Pairs


def ask(key):
    """Keep a private key, in DER, for which a certificate is to be asked. Raises OSError."""
    put(_REQUEST, (key,))


def asked():
    """That key, or None. Raises OSError: it cannot be read."""
    try:
        return read(_REQUEST)
    except OSError as e:
        if e.errno != _ENOENT:
            raise
    return None


def keep(key, chain, on_trial):
    """Keep a pair, a private key and [certificates]: for good, or on trial, until worked(). Raises
    OSError."""
    before = pending()
    if before:
        remove(before)
    put(_NEW + "0" if on_trial else _OWN, _packed(key, chain))
    if asked() == key:  # (else there is another request already)
        remove(_REQUEST)


def pairs():
    """Generator: (name, key, certificate, its chain in PEM or b"") of each pair, in the order in
    which they are to be shown. That of the owner comes first if client.der is not the one that
    there was when the others came: so it is put into force by copying it."""
    new, last, owners = pending(), [], _owners()
    for name in (new, _OWN) if new else (_OWN,):
        try:
            pair = _unpacked(name)
        except (OSError, ValueError):
            continue
        if pair[0] == owners and name != _SPENT:
            yield (name,) + pair[1:]
        else:
            last.append(name)
        pair = None
    try:
        yield "client.der", read("client.key.der"), read("client.der"), b""
    except OSError:
        pass
    for name in last:
        yield (name,) + _unpacked(name)[1:]


def show(context, key, certificate, chain):
    """Load a pair into a tls.SSLContext. MicroPython takes one certificate in DER, and where its
    mbedTLS knows PEM (that of the ESP32 does) a chain: else the first has to do. Raises
    ValueError."""
    if chain:
        try:
            return context.load_cert_chain(chain, key)
        except ValueError:
            pass
    context.load_cert_chain(certificate, key)


def pending():
    """The name of the pair that is on trial, or None."""
    for name in _all():
        if name[:3] == _NEW and name[3:].isdigit():
            return name
    return None


def worked(name):
    """A connection with the pair of that name has worked. True: it was the new one, which is in
    force for good; False: the new one has not worked, and is gone; None: there was no new one.
    Raises OSError."""
    new = pending()
    if not new:
        return None
    if name == new:
        rename(new, _OWN)
        return True
    remove(new)
    return False


def refused(name):
    """Whoever was dialled may not like the pair of that name. True: it was the new one, for the
    third time, and the one before has its turn; if that fares no better it is the new one's again.
    Raises OSError."""
    new = pending()
    if not new:
        return False
    if name != new:
        if new == _SPENT:
            rename(new, _NEW + "0")
    elif new != _SPENT:
        again = _NEW + str(int(new[-1]) + 1)
        rename(new, again)
        return again == _SPENT
    return False


# Which client.der there is.
def _owners():
    try:
        return sha256(read("client.der")).digest()[:8]
    except OSError:
        return b""


def _packed(key, chain):  # generator: what own and new are made of
    yield bytes((_VERSION,))
    for part in (_owners(), key, chain[0]):
        yield len(part).to_bytes(2, "big")
        yield part
    for der in chain if len(chain) > 1 else ():
        yield b"-----BEGIN CERTIFICATE-----\n"
        for at in range(0, len(der), 48):
            yield b2a_base64(der[at : at + 48])
        yield b"-----END CERTIFICATE-----\n"


def _unpacked(name):  # -> (which client.der there was, key, certificate, chain)
    with open(_FOLDER + name, "rb") as f:
        if f.read(1) != bytes((_VERSION,)):
            raise ValueError
        parts = []
        while len(parts) < 3:
            size = int.from_bytes(f.read(2), "big")
            parts.append(f.read(size))
            if len(parts[-1]) < size or len(parts) > 1 and not size:
                raise ValueError
        return parts[0], parts[1], parts[2], f.read()
