"""tools/csms and tools/station over TLS, as docs/security.md shows it; their certificates."""

import asyncio
import datetime
import subprocess

import pytest
from cryptography import x509
from station_driver import ID, run_tool
from test_csms import Tool

from host import certs
from host.build import ROOT
from host.process import StationProcess, WAIT_s

PASSWORD = "0123456789abcdef"
MADE = ["ca.der", "ca.pem", "client.der", "client.key.der", "server.pem"]


@pytest.mark.parametrize("level", [2, 3])
async def test_two_commands(tmp_path, micropython, level):
    folder = tmp_path / "certs"
    if level == 2:
        words, more = ("--password", f"{ID}={PASSWORD}"), ("--password", PASSWORD)
    else:
        certs.make(folder)
        words, more = ("--client-ca", folder / "ca.pem"), ("--security-profile", "3")
    async with Tool("--make-certs", str(folder), *map(str, words)) as central:
        assert sorted(path.name for path in folder.iterdir()) == MADE
        assert central.url.startswith("wss://localhost:")
        process = StationProcess(
            tmp_path, "--url", central.url, "--id", ID, "--certs", folder, *more
        )
        await process.start()
        try:
            await process.wait_output("boot Accepted")
            await central.until("<- BootNotification")
            central.type("get-config SecurityProfile")
            await central.until(f'"value":"{level}"')
        finally:
            assert await process.stop() == 0
        central.type("quit")
        assert await central.end() == 0


def test_certificates_are_made_once(tmp_path):
    folder = tmp_path / "new" / "certs"
    assert certs.make(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for name in ("server.pem", "client.key.der"):
        assert (folder / name).stat().st_mode & 0o077 == 0, "for its owner only"
    assert not certs.make(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert certs.make(folder, (*certs.SERVER_NAMES, "another.example")), "another name to serve"
    (folder / "client.der").unlink()
    assert certs.make(folder), "one is missing"
    ca = certs.issue("CA")
    old = certs.issue_server(ca, certs.SERVER_NAMES, (-9, 0.5))
    (folder / "server.pem").write_bytes(old.pem + old.key_pem)
    assert certs.make(folder), "it expires today"
    server = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    now = datetime.datetime.now(datetime.timezone.utc)
    assert server.not_valid_after_utc - now > datetime.timedelta(300)


async def tool_ends(*words):
    """The exit code and the last line of tools/csms."""
    process = await asyncio.create_subprocess_exec(
        ROOT / "tools/csms", *map(str, words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_s)
    return process.returncode, said.decode().splitlines()[-1]


async def test_options_that_do_not_work(tmp_path):
    certs.make(tmp_path)
    (tmp_path / "bad.pem").write_text("no certificate")
    bad, none = tmp_path / "bad.pem", tmp_path / "none.pem"
    good = tmp_path / "server.pem"
    for words, text in (
        (("--key", good), "--key and --client-ca want --cert or --make-certs"),
        (("--client-ca", good), "--key and --client-ca want --cert or --make-certs"),
        (("--cert", none), f"--cert {none}: "),
        (("--cert", bad), f"--cert {bad}: "),
        (("--cert", tmp_path / "ca.pem"), "--cert "),  # (without its key)
        (("--cert", good, "--client-ca", none), f"--client-ca {none}: "),
        (("--cert", good, "--client-ca", bad), f"--client-ca {bad}: "),
    ):
        code, line = await tool_ends("--port", "0", "--no-prompt", *words)
        assert code == 2 and text in line, (words, line)
    (tmp_path / "empty").mkdir()
    good = "--url", "ws://127.0.0.1:1/ocpp", "--id", "CP1"
    for words, text in (
        (("--certs", tmp_path / "empty"), "has no ca*.der, client.der, client.key.der"),
        (("--certs", tmp_path / "nowhere"), "has no ca*.der, client.der, client.key.der"),
        (("--security-profile", "4"), "--security-profile"),
    ):
        code, lines = run_tool(*good, *words)
        assert code == 2 and text in lines[-1], (words, lines)
