"""Plays lib/upki on MicroPython: a line of standard input is a call (name, argument, ...), a line
of the answer "= " and what came of it. A ValueError is an answer; all else ends the program."""

import sys

from generators import run

from upki import cert, csr, der, p256, rsa

MODULES = {"cert": cert, "csr": csr, "der": der, "p256": p256, "rsa": rsa}


def fields(data):
    """All that a certificate says."""
    c = cert.Certificate(data)
    views = [bytes(v) for v in (c.serial, c.issuer, c.subject, c.key, c.key_bits, c._signature)]
    return views + [c.begin_s, c.end_s, c.ca, c._path, c._usage, c._purposes, c._unknown]


def hashes(data, issuer):
    return cert.hashes(cert.Certificate(data), cert.Certificate(issuer))


def verify(data, *args):
    return run(cert.Certificate(data).verify(*args))


def load(certificate, key):
    """Does mbedTLS take the pair?"""
    import tls

    tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)


def lines(function):
    return lambda *args: list(function(*args))


HERE = {
    "fields": fields,
    "hashes": hashes,
    "verify": verify,
    "load": load,
    "pem": lines(der.pem),
    "unpem": lines(der.unpem),
}


def answer(name, *args):
    module, _, function = name.rpartition(".")
    try:
        out = getattr(MODULES[module], function)(*args) if module else HERE[name](*args)
        return run(out) if hasattr(out, "send") else out
    except ValueError as e:
        return e


def main():
    for line in sys.stdin:
        print("=", repr(answer(*eval(line))))


main()
