"""The development Central System as a terminal tool: traffic, a prompt, scripts (tools/csms).

All OCPP is done by host/csms; the commands are in csms_shell.py. A command that fails says why in
one line; it never ends the tool, only a script.
"""

import argparse
import asyncio
import errno
import os
import signal
import socket
import ssl
import sys

try:
    from host.csms import LANGUAGES, CentralSystem
except ImportError as error:
    sys.exit(f'tools/csms: {error}: run "make setup"')

from host.csms_shell import Shell
from host.csms_terminal import Terminal, run_prompt, run_script


def _address(host):
    """An address of this computer that a station can dial when we listen on `host`."""
    if host not in ("0.0.0.0", "::"):
        return host
    try:  # connecting a datagram socket sends nothing: it only chooses the way out
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
    except OSError:
        return host


async def run(options):
    """Serve, with script and prompt as the options say; the exit code."""
    terminal = Terminal(options.quiet)
    central = CentralSystem(
        options.port, options.host, terminal.log, options.password or None, ssl=options.ssl,
        protocols=options.ocpp,
    )  # fmt: skip
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    try:
        await central.start()
    except OSError as error:
        why = error.strerror or error
        if error.errno == errno.EADDRINUSE:
            why = "it is in use; choose another with --port"
        place = f"port {options.port} of {options.host}"
        print(f"tools/csms: cannot listen on {place}: {why}", file=sys.stderr)
        return 1
    host = "localhost" if options.make_certs else _address(options.host)
    url = central.url.replace(options.host, host, 1)
    terminal.show(f"Central System: give the station the URL {url}")
    if options.make_certs:
        terminal.show(f"Its CA and a certificate: tools/station --certs {options.make_certs}")

    async def work():
        shell = Shell(central, terminal.show)
        shell.certs = options.make_certs
        code = await run_script(shell, options.script) if options.script else 0
        if code or shell.done:
            return code
        if not options.no_prompt:
            await run_prompt(shell, terminal)
        elif not options.script:
            await stop.wait()
        return code

    working, stopping = asyncio.ensure_future(work()), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        code = working.result()
    else:
        working.cancel()
        code = 0
    terminal.prompt = ""
    await central.stop()
    return code


def _tls(parser, options):
    """The SSLContext that the options ask for, or None."""
    if options.make_certs:
        from host import certs

        hosts = (*certs.SERVER_NAMES, socket.gethostname(), _address(options.host))
        try:
            certs.make(options.make_certs, tuple(dict.fromkeys(hosts)))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            parser.error(f"--make-certs {options.make_certs}: {why}")
        options.cert = options.cert or os.path.join(options.make_certs, "server.pem")
    if not options.cert:
        if options.key or options.client_ca:
            parser.error("--key and --client-ca want --cert or --make-certs")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path, load in (
        ("cert", options.cert, lambda path: context.load_cert_chain(path, options.key)),
        ("client-ca", options.client_ca, context.load_verify_locations),
    ):
        try:
            if path:
                load(path)
        except ssl.SSLError:
            parser.error(f"--{name} {path}: no certificate in PEM, or its key does not fit")
        except OSError as error:
            parser.error(f"--{name} {path}: {error.strerror}")
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not 0 to 65535")
    return int(text)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"tools/csms: {message.removeprefix('argument ')} (--help tells more)\n")


def main():
    """Parse the command line and run."""
    parser = _Parser(
        prog="tools/csms",
        description="A Central System (OCPP 1.6J and 2.0.1) for development: shows all traffic, "
        "takes commands. Type help at its prompt.",
    )
    add = parser.add_argument
    add("--port", type=_port, default=9000, help="default 9000; 0: a free one")
    add("--host", default="127.0.0.1", help="0.0.0.0: reachable from the network")
    versions = [language.version for language in LANGUAGES.values()]
    add("--ocpp", choices=versions, help="speak this version only; default: what a station "
        "offers first")  # fmt: skip
    add("--password", nargs="+", default=[], metavar="ID=KEY", help="demand Basic "
        "authentication; stations that are not listed are refused")  # fmt: skip
    add("--make-certs", metavar="DIR", help="speak TLS with a certificate for this computer; it, "
        "its CA and a station's certificate are made in DIR unless they are there "
        "(docs/security.md)")  # fmt: skip
    add("--cert", metavar="FILE", help="speak TLS with this certificate (PEM)")
    add("--key", metavar="FILE", help="its key, if it is not in the same file")
    add("--client-ca", metavar="FILE", help="demand of stations a certificate of this CA (PEM): "
        "security profile 3")  # fmt: skip
    add("--script", metavar="FILE", help="run these commands first")
    add("--no-prompt", action="store_true", help="read no commands; end with the script")
    add("--quiet", action="store_true", help="show no traffic, only violations")
    options = parser.parse_args()
    if any("=" not in word for word in options.password):
        parser.error("--password wants ID=KEY")
    if sys.stdin is None and not options.no_prompt:
        parser.error("no commands can be read, for stdin is closed: say --no-prompt")
    options.ocpp = (f"ocpp{options.ocpp}",) if options.ocpp else tuple(LANGUAGES)
    options.password = dict(word.split("=", 1) for word in options.password)
    options.ssl = _tls(parser, options)
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return asyncio.run(run(options))
    except KeyboardInterrupt:  # before the signal handlers stand
        return 1


if __name__ == "__main__":
    sys.exit(main())
