"""The password of a unit's page (docs/page.md), as config.json has it: salted and hashed."""

import hashlib
import secrets

ROUNDS = 1000  # of PBKDF2: 2 s of an ESP32, by the simulated one
LEAST = 8  # characters
MOST = 128  # bytes: the page takes no longer one
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that look alike


def made():
    """A random one, of 60 bits, that can be read out to somebody."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def page(password, token):
    """The field `page`: of the password rounds, salt and hash; of the token its hash."""
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    return {
        "password": f"{ROUNDS}:{salt.hex()}:{digest.hex()}",
        "token": hashlib.sha256(token.encode()).hexdigest(),
    }


def made_token():
    """One for programs, of 160 bits: it needs no rounds."""
    return secrets.token_urlsafe(20)
