"""The unit's certificates: roots are installed, named, removed; a key is made, a certificate for
it asked for and taken. Loaded for that, with lib/upki. The files: storage/certificates.py.

What takes long is awaited: others have their turn after each few milliseconds of it."""

import asyncio
from binascii import hexlify
from hashlib import sha256
from micropython import const

from firmware import lazy
from firmware.station.security import (
    BAD_CENTRAL_CERTIFICATE,
    BAD_OWN_CERTIFICATE,
    BAD_SIGNER,
    RECONFIGURED,
)

files = lazy.load("storage.certificates")
CENTRAL, MAKER = files.CENTRAL, files.MAKER  # kinds of roots

DONE = const(0)
INVALID = const(1)  # which is noted, too
UNKNOWN = const(2)
FAILED = const(3)

_2020_s = const(1577836800)  # of the unit's time, in Unix time
_TLS_CLIENT = const(2)  # of id-kp
_OFTEN_s = const(60)  # what is refused is noted no more often


def forget():
    """Let go of lib/upki."""
    import upki

    upki.forget()


# Roots


async def install(station, kind, text, linked=False):
    """Install the root of that kind in `text`, which is one certificate in PEM. DONE, also if it
    is there already; INVALID; FAILED: the store or the flash is full.

    linked: a root of Central Systems is signed by the one whose place it takes, if there is one;
    that is trusted as well until a connection by the new one alone has worked. A maker's is signed
    by one that is there."""
    try:
        return await _install(station, kind, text, linked)
    except ValueError as e:
        event = BAD_CENTRAL_CERTIFICATE if kind == CENTRAL else BAD_SIGNER
        return _refused(station, event, "root not installed: %s" % e)
    except OSError as e:
        station.log("root not installed: %s" % e)
        return FAILED
    finally:
        forget()


async def _install(station, kind, text, linked):
    import upki
    from upki import cert

    (der,) = _unpem(text, 1)
    new = cert.Certificate(der)
    name = "%s-%s.der" % (kind, hexlify(sha256(der).digest()[:8]).decode())
    current = files.current(kind)
    there = der in (files.read(one) for one in current)
    if not there and not linked and der in files.roots(kind):  # (it was removed)
        files.rename(files.before(), name)
        return DONE
    if there and (not linked or kind == MAKER):
        return DONE
    clock = station.clock
    now_s = clock.now() + _2020_s if clock.plausible(clock.now()) else new.begin_s
    new.usable(now_s, None, 0)
    place, others = None, 0
    for one in (current or files.names(kind)) if linked else ():
        data = files.read(one)
        if data == der:
            continue
        others += 1
        try:
            old = cert.Certificate(data)
            old.usable(now_s, None, 0)
            await upki.patient(new.signed_by(old))
            place = one
        except ValueError:
            pass
    if not there:
        if not others and not (linked and kind == MAKER):
            await upki.patient(new.signed_by(new))
        elif not place:
            raise ValueError("it is not signed by the one whose place it takes")
        _try_tls(lambda context: context.load_verify_locations(der))
        if len(files.names(CENTRAL)) + len(files.names(MAKER)) >= files.MOST:
            station.log("root not installed: there are %d" % files.MOST)
            return FAILED
        files.put(name, (der,))
        lazy.load("station.security").note(station, RECONFIGURED, "installed: " + name)
        station.log("root installed: " + name)
    if place and kind == CENTRAL:  # (cut off here both are trusted, until it is installed again)
        before = files.before()
        if not before:
            files.rename(place, files.FALLBACK)
        elif place != before:  # (that one has worked, `place` has not)
            files.remove(place)
    return DONE


async def listed(kind):
    """[(hash of the issuer's name, of its key, serial number)] in hexadecimal, by SHA-256, of the
    roots of a kind; the issuer of each is itself."""
    out = []
    try:
        for name in files.listed(kind):
            out.append(_hashes(name))
            await asyncio.sleep_ms(0)
    finally:
        forget()
    return [hashes for hashes in out if hashes]


async def remove(station, hashes, last):
    """Remove the root that has these hashes. DONE, UNKNOWN or FAILED; last: may it be the last one
    of Central Systems? Else (TLS is spoken) one of theirs is no longer told, but is trusted where
    nobody else is known, until a connection without it has worked: it may be the one in use."""
    name, key, serial = [text.lower() for text in hashes]
    wanted = name, key, serial.lstrip("0") or "0"
    try:
        for kind in (CENTRAL, MAKER):
            for name in files.listed(kind):
                if _hashes(name) == wanted:
                    return _remove(station, kind, name, last)
                await asyncio.sleep_ms(0)
        if _is_own(wanted):
            station.log("the unit's own certificate stays")
            return FAILED
        return UNKNOWN
    finally:
        forget()


def _remove(station, kind, name, last):
    keep, current = kind == CENTRAL and not last, files.current(kind)
    if keep and (name not in current or len(current) < 2):
        station.log("%s stays: no other root of Central Systems has worked" % name)
        return FAILED
    try:
        if keep and not files.before():
            files.rename(name, files.REMOVED)
        else:
            files.remove(name)
    except OSError as e:
        station.log("root not removed: %s" % e)
        return FAILED
    lazy.load("station.security").note(station, RECONFIGURED, "removed: " + name)
    station.log("root removed: " + name)
    return DONE


def _is_own(wanted):  # (by the name of who has signed it, and its number: who has its key?)
    from upki import cert

    for _, _, der, _ in files.pairs():
        try:
            own = cert.Certificate(der)
        except ValueError:
            continue
        name, _, serial = cert.hashes(own, own)
        if (name, serial) == (wanted[0], wanted[2]):
            return True
    return False


def _hashes(name):  # of that file; None: it cannot be read
    from upki import cert

    try:
        root = cert.Certificate(files.read(name))
        return cert.hashes(root, root)
    except (OSError, ValueError):
        return None


# The unit's own certificate


async def request(common_name, organization):
    """A new key, which never leaves the unit -> the request for its certificate, in PEM. Raises
    OSError (it cannot be kept) and ValueError (a name has not 1 to 64 characters)."""
    import upki
    from upki import csr, der, p256

    try:
        key, public = await upki.patient(p256.generate())
        request = await upki.patient(csr.request(key, public, common_name, organization))
        files.ask(csr.encode(key, public))
        return b"".join(der.pem(request, "CERTIFICATE REQUEST")).decode()
    finally:
        forget()


async def take(station, texts, common_name, organization, on_trial):
    """Take the certificate that was asked for: `texts`, a list, is emptied of its chain in PEM, in
    which each is signed by the next, up to a root of Central Systems, which need not be there.
    on_trial: the pair before is kept until a connection has worked. DONE, INVALID or FAILED."""
    try:
        key = files.asked()
        if not key:
            raise ValueError("none was asked for")
        chain = _unpem(texts.pop())
        await _check(station, chain, key[-65:], common_name, organization)
        forget()  # (TLS wants memory, too)
        _try_tls(lambda context: _load(context, key, chain))
        files.keep(key, chain, on_trial)
    except ValueError as e:
        return _refused(station, BAD_OWN_CERTIFICATE, "certificate not taken: %s" % e)
    except OSError as e:
        station.log("certificate not kept: %s" % e)
        return FAILED
    finally:
        forget()
    lazy.load("station.security").note(station, RECONFIGURED, "the unit's certificate")
    station.log("certificate taken" + (", to be tried" if on_trial else ""))
    return DONE


async def _check(station, chain, public, common_name, organization):
    # Raises ValueError unless it is good; takes the root out of it.
    import upki
    from upki import cert

    leaf = cert.Certificate(chain[0])
    if leaf.key_bits != public:
        raise ValueError("it is not for the key that was made here")
    for name, wanted in ((b"U\4\3", common_name), (b"U\4\n", organization)):  # CN, O
        if _name(leaf.subject, name) != wanted.encode():
            raise ValueError("it is not for %s" % wanted)
    leaf = None
    now_s = station.clock.now() + _2020_s
    root = await upki.patient(cert.check(chain, files.roots(CENTRAL), now_s, _TLS_CLIENT))
    if len(chain) > 1 and chain[-1] == root:
        chain.pop()  # (who is to believe it has it)


def _load(context, key, chain):
    context.load_cert_chain(chain[0], key)
    for der in chain[1:]:
        context.load_verify_locations(der)


def _refused(station, event, why):
    station.log(why)
    lazy.load("station.security").note(station, event, why, _OFTEN_s)
    return INVALID


# The certificates of a PEM, of which there are 1 to `most`.
def _unpem(text, most=6):
    from upki import der

    out = []
    for one in der.unpem(text):
        if len(out) == most:
            raise ValueError("more than %d certificates" % most)
        out.append(one)
    if not out:
        raise ValueError("no certificate in PEM")
    return out


# What TLS does not read must not lie there: no connection could be made any more.
def _try_tls(load):
    import tls

    try:
        load(tls.SSLContext(tls.PROTOCOL_TLS_CLIENT))
    except ValueError as e:
        raise ValueError("TLS does not take it: %s" % e)


# The value in a Name (RFC 5280, 4.1.2.4) of an attribute, or None.
def _name(name, attribute):
    from upki.der import oid, only, take

    found, name = None, only(name, 0x30)
    while name:
        parts, name = take(name, 0x31)
        while parts:
            part, parts = take(parts, 0x30)
            kind, value = oid(part)
            if kind == attribute:
                found = bytes(take(value, value[0] if value else 0)[0])
    return found
