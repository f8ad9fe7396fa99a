"""tools/csms and tools/station over TLS, as docs/security.md shows it; their certificates."""

import asyncio
import datetime
import subprocess

import pytest
from cryptography import x509
from fake_station import Tool
from station_driver import ID, run_tool

from host import certs
from host.build import ROOT
from host.process import StationProcess, WAIT_s

PASSWORD = "0123456789abcdef"
MADE = """ca.der ca.key.pem ca.pem client.der client.key.der maker.der maker.key.pem server.pem
    signer.pem""".split()


@pytest.mark.parametrize("level", [2, 3])
async def test_two_commands(tmp_path, micropython, level):
    folder = tmp_path / "certs"
    if level == 2:
        words, more = ("--password", f"{ID}={PASSWORD}"), ("--password", PASSWORD)
    else:
        certs.make(folder)
        words, more = ("--client-ca", folder / "ca.pem"), ("--security-profile", "3")
    words = "--ocpp", "1.6", "--make-certs", folder, *words
    async with Tool(*map(str, words)) as central:
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


async def test_the_commands_for_certificates(tmp_path, micropython):
    """A certificate is asked for, signed and in use; roots come and go."""
    folder, other = tmp_path / "certs", tmp_path / "other"
    certs.make(folder)
    certs.make(other)
    config = tmp_path / "config.json"
    config.write_text('{"serial": "S1"}')
    words = "--ocpp", "1.6", "--make-certs", folder, "--client-ca", folder / "ca.pem"
    async with Tool(*map(str, words)) as central:
        words = "--id", ID, "--certs", folder, "--security-profile", 3, "--config", config
        process = StationProcess(tmp_path, "--url", central.url, *words)
        await process.start()
        try:
            await central.until("<- BootNotification")
            for line, said in (
                (f"sign {folder}", "SignCertificate is answered, by the CA in "),
                ("set-config CpoName Someone", "ChangeConfiguration: Accepted"),
                ("renew-certificate", "CertificateSigned: CP1: Accepted"),
            ):
                central.type(line)
                await central.until(said)
            works = "the new certificate works, the old one is forgotten"
            await process.wait_output(works)  # (it is dialled with)
            since = len(process.output)
            for line, said in (
                ("certificates", "  CN=Pilotwire development CA,O=Pilotwire development"),
                (f"install-certificate {other}/ca.pem maker", "InstallCertificate: Accepted"),
                (f"install-certificate {folder}/ca.der central", "InstallCertificate: Accepted"),
                (f"install-certificate {other}/client.der central", "Rejected"),
                (
                    f"install-certificate {other}/client.key.der central",
                    "client.key.der: no certificate, neither in PEM nor in DER",
                ),
                (f"install-certificate {other}/ca.pem both", "is none of central, maker"),
                ("certificates maker", "CN=Pilotwire development maker"),
                ("certificates maker", "2  "),
                ("delete-certificate 3", "certificates has listed 2: no number 3"),
                ("delete-certificate 1", "DeleteCertificate: Accepted"),
                ("delete-certificate 2", "DeleteCertificate: Accepted"),
                ("certificates maker", "GetInstalledCertificateIds: NotFound"),
            ):
                central.type(line)
                await central.until(said)
            await process.do("console sign")
            await central.until("CertificateSigned: CP1: Accepted")
            await process.wait_output(works, since=since)
        finally:
            assert await process.stop() == 0
        central.type("quit")
        assert await central.end() == 0


def test_certificates_are_made_once(tmp_path):
    folder = tmp_path / "new" / "certs"
    assert certs.make(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    secret = "server.pem", "client.key.der", "ca.key.pem", "maker.key.pem", "signer.pem"
    for name in secret:
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
    bad, none, broken = tmp_path / "bad.pem", tmp_path / "none.pem", tmp_path / "broken"
    certs.make(broken)
    (broken / "server.pem").write_text("no certificate")
    good = tmp_path / "server.pem"
    for words, text in (
        (("--key", good), "--key and --client-ca want --cert or --make-certs"),
        (("--client-ca", good), "--key and --client-ca want --cert or --make-certs"),
        (("--cert", none), f"--cert {none}: "),
        (("--cert", bad), f"--cert {bad}: "),
        (("--cert", tmp_path / "ca.pem"), "--cert "),  # (without its key)
        (("--cert", good, "--client-ca", none), f"--client-ca {none}: "),
        (("--cert", good, "--client-ca", bad), f"--client-ca {bad}: "),
        (("--make-certs", broken), f"--make-certs {broken}: server.pem: no certificate, neither"),
    ):
        code, line = await tool_ends("--port", "0", "--no-prompt", *words)
        assert code == 2 and text in line, (words, line)
    (tmp_path / "empty").mkdir()
    good = "--url", "ws://127.0.0.1:1/ocpp", "--id", "CP1"
    for words, text in (
        (("--certs", tmp_path / "empty"), "has no ca*.der, maker*.der, client.der,"),
        (("--certs", tmp_path / "nowhere"), "has no ca*.der, maker*.der, client.der,"),
        (("--security-profile", "4"), "--security-profile"),
    ):
        code, lines = run_tool(*good, *words)
        assert code == 2 and text in lines[-1], (words, lines)
