"""make release: what a Central System serves for UpdateFirmware, and a unit takes by itself.

    [CHIP=ESP32S3 SIGN_KEY=key.pem] python -m host.release

writes build/pilotwire-VERSION.upd: the image of `make romfs`, with a header that says what it is.
docs/updates.md has the table of the bytes. CHIP: for that one only. SIGN_KEY: an EC key on P-256
(PEM), with which the header is signed.
"""

import hashlib
import os
import struct
import sys
import zlib

from host.build import ROOT, BuildError, version
from host.port import front
from host.romfs import build_image

MAGIC, FORMAT, IMAGE = b"PWUP", 1, 1
MPY = 6  # version of the .mpy files
OLDEST = (1, 26, 1)  # MicroPython
UNSIGNED, P256 = 0, 1  # P256: the signature is r and s, 32 bytes each
BLOCK = 4096
# magic, format, kind, .mpy, algorithm, MicroPython, chip, version, image, 1, blocks of the flash,
# length of the signature, SHA-256 of the image
HEAD = struct.Struct("<4sBBBB3Bx12s24sIHHH6x32s")


class ReleaseError(Exception):
    """One line."""


def pack(image, text=None, chip="", key=None, oldest=OLDEST, mpy=MPY):
    """The bytes of a release. `key`: a function that signs the SHA-256 of a header."""
    text = version() if text is None else text
    if len(text.encode()) > 24 or len(chip) > 12:
        raise ReleaseError(f"{text} {chip}: too long")
    head = HEAD.pack(
        MAGIC, FORMAT, IMAGE, mpy, P256 if key else UNSIGNED, *oldest, chip.encode(),
        text.encode(), len(image), 1, -(-len(image) // BLOCK), 64 if key else 0,
        hashlib.sha256(image).digest(),
    )  # fmt: skip
    head += key(head) if key else b""
    return head + zlib.crc32(head).to_bytes(4, "little") + image


def signer(path):
    """The function for pack() that signs with the private key in a PEM file."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    try:
        with open(path, "rb") as f:
            key = serialization.load_pem_private_key(f.read(), None)
    except OSError as e:
        raise ReleaseError(f"{path}: {e.strerror}") from None
    except (TypeError, ValueError):
        raise ReleaseError(f"{path}: no private key in PEM, or one with a password") from None
    if not isinstance(getattr(key, "curve", None), ec.SECP256R1):
        raise ReleaseError(
            f"{path}: a key on P-256 is expected (openssl ecparam -name prime256v1)"
        )

    def sign(head):
        r, s = utils.decode_dss_signature(key.sign(head, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def make(image=None, **more):
    """The bytes of a release of the build, or of another image. Raises ReleaseError."""
    return pack((image or build_image()).read_bytes(), **more)


def main():
    chip, key = os.environ.get("CHIP", "").upper().replace("-", ""), os.environ.get("SIGN_KEY")
    data = make(chip=chip, key=signer(key) if key else None)
    path = ROOT / "build" / f"pilotwire-{version()}.upd"
    path.write_bytes(data)
    signed = "signed" if key else "not signed"
    print(f"{os.path.relpath(path)}: {len(data)} B, {chip or 'any chip'}, {signed}")


if __name__ == "__main__":
    sys.exit(front("release", main, BuildError, ReleaseError, OSError))
