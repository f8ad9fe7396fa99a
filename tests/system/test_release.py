"""make release: the file, what its header says, the signature."""

import hashlib
import subprocess
import sys

import pytest

from host import release
from host.build import ROOT, version
from host.romfs import build_image


def key(path, curve="prime256v1"):
    command = ["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", str(path)]
    subprocess.run(command, check=True)
    return path


def head(data):
    return release.HEAD.unpack_from(data)


def test_the_file():
    data = release.make()
    assert release.HEAD.size == 96
    magic, form, kind, mpy, algorithm, *least, chip, text, size, one, blocks, signed, digest = (
        head(data)
    )
    assert (magic, form, kind, mpy, one) == (b"PWUP", 1, 1, 6, 1)
    assert (algorithm, signed, tuple(least)) == (release.UNSIGNED, 0, (1, 26, 1))
    assert (chip.strip(b"\0"), text.strip(b"\0")) == (b"", version().encode())
    image = data[100:]
    assert size == len(image) and digest == hashlib.sha256(image).digest()
    assert size <= blocks * 4096 < size + 4096
    assert image == build_image().read_bytes()


def test_a_signature(tmp_path):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    path = key(tmp_path / "key.pem")
    data = release.pack(b"payload", key=release.signer(path))
    assert head(data)[4] == release.P256 and head(data)[-2] == 64
    public = serialization.load_pem_private_key(path.read_bytes(), None).public_key()
    r, s = (int.from_bytes(data[at : at + 32], "big") for at in (96, 128))
    signature = utils.encode_dss_signature(r, s)
    public.verify(signature, data[:96], ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_a_key_that_is_none(tmp_path, text):
    (tmp_path / "key.pem").write_text(text)
    with pytest.raises(release.ReleaseError, match="no private key in PEM") as e:
        release.signer(tmp_path / "key.pem")
    assert "\n" not in str(e.value)


def test_another_key(tmp_path):
    with pytest.raises(release.ReleaseError, match="a key on P-256 is expected"):
        release.signer(key(tmp_path / "key.pem", "secp384r1"))
    with pytest.raises(release.ReleaseError, match="No such file"):
        release.signer(tmp_path / "none.pem")


def test_what_is_too_long():
    for more in ({"text": "9" * 25}, {"chip": "ESP32" * 3}):
        with pytest.raises(release.ReleaseError, match="too long"):
            release.pack(b"x", **more)


def test_the_command():
    words = [sys.executable, "-m", "host.release"]
    env = {"PYTHONPATH": str(ROOT / "tools"), "PATH": "/usr/bin:/bin", "CHIP": "esp32-s3"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    path = ROOT / f"build/pilotwire-{version()}.upd"
    assert head(path.read_bytes())[-6].strip(b"\0") == version().encode()
    assert f"{path.name}: {path.stat().st_size} B, ESP32S3, not signed" in done.stdout
    path.unlink()
    env["SIGN_KEY"] = "/nowhere.pem"
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "release: /nowhere.pem: No such file or directory\n"
