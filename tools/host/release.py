"""make release: what a Central System serves for UpdateFirmware, and a unit takes by itself.

    [CHIP=ESP32S3 SIGN_KEY=key.pem] python -m host.release

writes build/pilotwire-VERSION-files.upd (the tree of .mpy files) and -rom.upd (the ROMFS image):
a unit takes one of them, by how its code lies there. docs/updates.md has the table of the bytes.
CHIP: for that one only. SIGN_KEY: an EC key on P-256 (PEM), with which the header is signed.
"""

import hashlib
import os
import struct
import sys
import zlib

from host.build import PLAIN, ROOT, BuildError, build, version
from host.port import front
from host.romfs import build_image

MAGIC, FORMAT, TREE, IMAGE = b"PWUP", 1, 0, 1
NAMES = {TREE: "files", IMAGE: "rom"}
MPY = 6  # version of the .mpy files
OLDEST = (1, 26, 1)  # MicroPython
UNSIGNED, P256 = 0, 1  # P256: the signature is r and s, 32 bytes each
BLOCK = 4096
_LINKS = 16  # of a block of a file, at most, that LittleFS needs itself
# magic, format, kind, .mpy, algorithm, MicroPython, chip, version, payload, files, blocks of the
# flash, length of the signature, SHA-256 of the payload
HEAD = struct.Struct("<4sBBBB3Bx12s24sIHHH6x32s")
ENTRY = struct.Struct("<BII")
LONGEST = 64  # path


class ReleaseError(Exception):
    """One line."""


def tree_payload(tree):
    """-> (the bytes, how many files, how many blocks of the flash they take at most)"""
    out, folders, blocks, count = [], set(), 2, 0
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_dir():
            folders.add(name)
        elif name not in PLAIN and (data := path.read_bytes()):
            if len(name) > LONGEST:
                raise ReleaseError(f"{name}: a path has {LONGEST} characters at most")
            out += ENTRY.pack(len(name), len(data), zlib.crc32(data)), name.encode(), data
            blocks += -(-len(data) // (BLOCK - _LINKS))
            count += 1
    return b"".join(out), count, blocks + 2 * len(folders)


def pack(kind, payload, files, blocks, text=None, chip="", key=None, oldest=OLDEST, mpy=MPY):
    """The bytes of a release. `key`: a function that signs the SHA-256 of a header."""
    text = version() if text is None else text
    if len(text.encode()) > 24 or len(chip) > 12:
        raise ReleaseError(f"{text} {chip}: too long")
    size = 64 if key else 0
    digest = hashlib.sha256(payload).digest()
    head = HEAD.pack(
        MAGIC, FORMAT, kind, mpy, P256 if key else UNSIGNED, *oldest, chip.encode(), text.encode(),
        len(payload), files, blocks, size, digest,
    )  # fmt: skip
    head += key(head) if key else b""
    return head + zlib.crc32(head).to_bytes(4, "little") + payload


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


def make(tree=None, image=None, **more):
    """-> {kind: bytes} of the build, or of another tree and image. Raises ReleaseError."""
    tree, image = tree or build(), image or build_image()
    data = image.read_bytes()
    return {
        TREE: pack(TREE, *tree_payload(tree), **more),
        IMAGE: pack(IMAGE, data, 1, -(-len(data) // BLOCK), **more),
    }


def main():
    chip, key = os.environ.get("CHIP", "").upper().replace("-", ""), os.environ.get("SIGN_KEY")
    made = make(chip=chip, key=signer(key) if key else None)
    for kind, data in made.items():
        path = ROOT / "build" / f"pilotwire-{version()}-{NAMES[kind]}.upd"
        path.write_bytes(data)
        signed = "signed" if key else "not signed"
        print(f"{os.path.relpath(path)}: {len(data)} B, {chip or 'any chip'}, {signed}")


if __name__ == "__main__":
    sys.exit(front("release", main, BuildError, ReleaseError, OSError))
