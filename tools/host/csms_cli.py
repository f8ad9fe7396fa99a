"""The development Central System as a terminal tool: traffic, a prompt, scripts (tools/csms).

Knows what a person types and reads; all OCPP is done by csms.py. A command that fails says why in
one line; it never ends the tool, only a script.
"""

import argparse
import asyncio
import errno
import inspect
import json
import os
import re
import shlex
import signal
import socket
import ssl
import sys
import threading
from datetime import timedelta
from pathlib import Path

try:
    from host.csms import CallError, CentralSystem, format_time, parse_time, schema_errors
except ImportError as error:
    sys.exit(f'tools/csms: {error}: run "make setup"')

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

HELP = """\
profile FILE [connector]           send SetChargingProfile; examples: {examples}
clear [id=N] [connector=N] [purpose=P] [level=N]   clear charging profiles, without filter all
composite CONNECTOR SECONDS [A|W]  the schedule that results of all profiles
remote-start TAG [connector] [profile FILE]
remote-stop [transactionId]        without an id: the running transaction
reset soft|hard
get-config [key...]                without a key: all
set-config KEY VALUE
trigger ACTION [connector]         have the station send BootNotification, MeterValues, ...
unlock CONNECTOR
availability CONNECTOR Operative|Inoperative       connector 0: the whole station
clear-cache
call ACTION [JSON]                 any request, checked against its schema
raw TEXT                           one frame exactly as it is
boot Accepted|Pending|Rejected     our answer to BootNotification from now on
tag ID STATUS                      our answer for an idTag: Accepted, Blocked, Expired, ...
station [ID]                       list the stations, or choose one for the commands
sessions                           the transactions with their energy
wait ACTION [field=value...] [seconds]     wait for a request of the station (30 s), also one that
                                   came since the last command; fields may be dotted
sleep SECONDS
help, quit

Scripts: one command a line, # begins a comment line; the first error or refusal ends the script
with exit code 1, unless the line begins with "- ". In profile files the word "now" (or "now+900",
in seconds) stands for the time and "transactionId": "current" for the running transaction."""

# Answers that mean "done"; any other status fails a script.
_DONE = ("Accepted", "RebootRequired", "Scheduled", "Unlocked")
_NOW = re.compile(r"now(?:([+-])(\d+))?")


class CommandError(Exception):
    """What is wrong with a command, for the person who typed it."""


# Profile files


def find_file(name, *folders):
    """The path of a file named in a command: as given, in `folders`, or among the examples."""
    for folder in (Path(), *folders, EXAMPLES):
        for path in (folder / name, folder / f"{name}.json"):
            if path.is_file():
                return path
    raise CommandError(f"there is no file {name}")


def _fill_in(value, now, transaction_id, key=""):
    """The value with "now" and "current" replaced; see HELP."""
    if isinstance(value, dict):
        return {k: _fill_in(v, now, transaction_id, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill_in(v, now, transaction_id) for v in value]
    if key == "transactionId" and value == "current":
        if transaction_id is None:
            raise CommandError('transactionId is "current", but no transaction is running')
        return transaction_id
    match = _NOW.fullmatch(value) if isinstance(value, str) else None
    if match and key in ("startSchedule", "validFrom", "validTo"):
        shift = int((match[1] or "+") + (match[2] or "0"))
        return format_time(now.replace(microsecond=0) + timedelta(seconds=shift))
    return value


def load_profile(path, now, transaction=None, connector=None, remote_start=False):
    """The SetChargingProfile.req in a file, ready to be sent.

    The file holds the request, or only its csChargingProfiles. `transaction` is the running one
    (or None), `connector` overrides that of the file. `remote_start`: no transaction runs yet, so
    a "current" transactionId is left out. CommandError says what is wrong.
    """
    try:
        request = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path}: is not UTF-8 text") from None
    except ValueError as error:
        raise CommandError(f"{path}: is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise CommandError(f"{path}: is not a JSON object")
    if "csChargingProfiles" not in request:
        request = {"csChargingProfiles": request}
    profile = request["csChargingProfiles"]
    if remote_start and isinstance(profile, dict) and profile.get("transactionId") == "current":
        del profile["transactionId"]
    try:
        request = _fill_in(request, now, transaction and transaction["transactionId"])
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from None
    profile = request["csChargingProfiles"]
    if connector is not None:
        request["connectorId"] = connector
    elif "connectorId" not in request and isinstance(profile, dict):
        per_connector = profile.get("chargingProfilePurpose") == "TxProfile"
        running = transaction["connectorId"] if transaction else 1
        request["connectorId"] = running if per_connector else 0
    faults = [text for _, text in schema_errors("SetChargingProfile", request)]
    faults = faults or profile_faults(request["connectorId"], profile)
    if faults:
        raise CommandError(f"{path}: " + "; ".join(faults[:5]))
    return request


def profile_faults(connector, profile):
    """What a station must refuse although the schema allows it (1.6 sections 3.13, 5.16, 7.8)."""
    purpose = profile["chargingProfilePurpose"]
    recurring = profile["chargingProfileKind"] == "Recurring"
    schedule = profile["chargingSchedule"]
    periods = schedule["chargingSchedulePeriod"]
    starts = [period["startPeriod"] for period in periods]
    phases = [period.get("numberPhases", 3) for period in periods]
    valid = [parse_time(profile[key]) for key in ("validFrom", "validTo") if key in profile]
    checks = [
        (
            purpose == "ChargePointMaxProfile" and connector,
            "ChargePointMaxProfile is for connector 0",
        ),
        (purpose == "TxProfile" and connector < 1, "TxProfile is for a connector above 0"),
        (purpose != "TxProfile" and "transactionId" in profile, "transactionId is for TxProfile"),
        (profile["stackLevel"] < 0, "stackLevel is negative"),
        (recurring and "recurrencyKind" not in profile, "Recurring wants a recurrencyKind"),
        (recurring and "startSchedule" not in schedule, "Recurring wants a startSchedule"),
        (len(valid) == 2 and valid[0] >= valid[1], "validTo is not after validFrom"),
        (schedule.get("duration", 0) < 0, "duration is negative"),
        (not periods, "chargingSchedulePeriod is empty"),
        (starts[:1] not in ([], [0]), "the first startPeriod is not 0"),
        (
            any(a >= b for a, b in zip(starts, starts[1:], strict=False)),
            "startPeriods do not rise",
        ),
        (any(period["limit"] < 0 for period in periods), "a limit is negative"),
        (any(n not in (1, 2, 3) for n in phases), "numberPhases is not 1, 2 or 3"),
    ]
    return [text for wrong, text in checks if wrong]


# What is shown


def plot(schedule, begin):
    """A charging schedule as lines of text: when, how much, and a bar. `begin`: a datetime."""
    unit, periods = schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"]
    top = max([period["limit"] for period in periods] + [1])
    if "duration" in schedule:
        yield f"{schedule['duration']} s from {begin.astimezone():%Y-%m-%d %H:%M:%S}"
    for period in periods:
        start, limit = period["startPeriod"], period["limit"]
        when = (begin + timedelta(seconds=start)).astimezone()
        phases = f"{period['numberPhases']} ph" if "numberPhases" in period else ""
        bar = "#" * round(40 * limit / top)
        yield f"{start:8} s  {when:%a %H:%M:%S}  {limit:8g} {unit} {phases:4} |{bar}".rstrip()


def energy_wh(transaction):
    """The energy of a transaction in Wh: up to its stop, else to the last meter value with it."""
    if transaction["stop"]:
        return transaction["stop"]["meterStop"] - transaction["meterStart"]
    for values in reversed(transaction["meterValues"]):
        for value in values["sampledValue"]:
            measurand = value.get("measurand", "Energy.Active.Import.Register")
            if measurand == "Energy.Active.Import.Register" and "phase" not in value:
                try:
                    scale = 1000 if value.get("unit") == "kWh" else 1
                    return round(float(value["value"]) * scale) - transaction["meterStart"]
                except ValueError:
                    continue  # signed data
    return 0


def sessions_table(transactions):
    """The transactions as lines of text."""
    form = "{:>10} {:12} {:>4} {:20} {:20} {:>9}  {}"
    yield form.format("id", "station", "conn", "idTag", "start", "kWh", "state")
    for id, one in transactions.items():
        stop = one["stop"]
        state = f"stopped {stop['timestamp']} ({stop.get('reason', 'Local')})" if stop else "runs"
        start = parse_time(one["start"]).astimezone()
        kwh = f"{energy_wh(one) / 1000:.3f}"
        yield form.format(id, one["station"], one["connectorId"], one["idTag"],
                          f"{start:%Y-%m-%d %H:%M:%S}", kwh, state)  # fmt: skip


def _number(text, what):
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"{what} must be a whole number, not {text!r}") from None


def _seconds(text):
    try:
        return float(text)
    except ValueError:
        return None


def _one_of(word, words):
    for one in words:
        if one.lower() == word.lower():
            return one
    raise CommandError(f"{word!r} is none of {', '.join(words)}")


def _has(payload, path, wanted):
    """Whether the field at a dotted path of a payload reads as `wanted`."""
    for name in path.split("."):
        try:
            payload = payload[int(name) if isinstance(payload, list) else name]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return (payload if isinstance(payload, str) else json.dumps(payload)) == wanted


def _usage(name):
    """The line of the help for a command, without the explanation."""
    for line in HELP.splitlines():
        if line.split(" ")[0] == name:
            return line.partition("   ")[0]
    return name


class Shell:
    """The commands. `show` prints a line; `patience`: seconds to wait for a station to connect."""

    def __init__(self, central, show, patience=0):
        self.central = central
        self.show = show
        self.patience = patience
        self.folder = Path()  # of the script, where its files are looked for too
        self.chosen = None
        self.done = False
        self._marks = {}  # station id -> (messages before the last command, consumed by wait)

    async def run(self, line):
        """Do one line. CommandError, or True if the station refused what was asked."""
        name, _, rest = line.strip().partition(" ")
        method = getattr(self, "do_" + name.replace("-", "_"), None) if name else None
        if not name or name.startswith("#"):
            return False
        if method is None or "_" in name:
            raise CommandError(f"there is no command {name!r}; try help")
        rest = rest.strip()
        try:
            words = [rest][: len(rest)] if name in ("call", "raw") else shlex.split(rest)
            try:
                inspect.signature(method).bind(*words)
            except TypeError:
                raise CommandError(f"usage: {_usage(name)}") from None
            return await method(*words)
        except CallError as error:
            details = f" {json.dumps(error.details)}" if error.details else ""
            raise CommandError(f"the station answers CALLERROR {error}{details}") from None
        except asyncio.TimeoutError as error:
            raise CommandError(str(error) or "no answer in time") from None
        except ConnectionError as error:
            raise CommandError(str(error)) from None
        except ValueError as error:  # of shlex, or a request that is not valid
            raise CommandError(f"{name}: {error}") from None

    async def station(self, patience=None):
        """The station that commands go to."""

        def find():
            stations = self.central.stations
            if self.chosen:
                return stations.get(self.chosen)
            return next(iter(stations.values())) if len(stations) == 1 else stations

        try:
            found = await self.central.until(find, patience or self.patience)
        except asyncio.TimeoutError:
            which = self.chosen or "no station"
            raise CommandError(f"{which} is {'not ' if self.chosen else ''}connected") from None
        if isinstance(found, dict):
            several = ", ".join(found)
            raise CommandError(f"several stations are connected ({several}): station ID")
        return found

    def running(self, station, connector=None):
        """The running transaction of a station, the latest if there are several, or None."""
        for one in reversed(station.transactions.values()):
            if one["stop"] is None and connector in (None, 0, one["connectorId"]):
                return one
        return None

    async def request(self, action, payload, station=None):
        """Send a request to the station; the answer."""
        station = station or await self.station()
        self._marks[station.id] = (station.mark(), set())
        return await station.call(action, payload, timeout=30)

    async def ask(self, action, payload, station=None):
        """Send a request whose answer is a status; True if that is a refusal."""
        status = (await self.request(action, payload, station)).get("status")
        self.show(f"{action}: {status}")
        return status not in _DONE

    async def do_profile(self, file, connector=None):
        station = await self.station()
        connector = None if connector is None else _number(connector, "connector")
        running = self.running(station, connector)
        path = find_file(file, self.folder)
        request = load_profile(path, self.central.now(), running, connector)
        return await self.ask("SetChargingProfile", request, station)

    async def do_clear(self, *filters):
        names = {
            "id": "id",
            "connector": "connectorId",
            "purpose": "chargingProfilePurpose",
            "level": "stackLevel",
        }
        payload = {}
        for word in filters:
            name, _, value = word.partition("=")
            if name not in names or not value:
                raise CommandError("usage: clear [id=N] [connector=N] [purpose=P] [level=N]")
            payload[names[name]] = value if name == "purpose" else _number(value, name)
        await self.ask("ClearChargingProfile", payload)  # Unknown: nothing to clear, no failure

    async def do_composite(self, connector, duration, unit=None):
        payload = {
            "connectorId": _number(connector, "connector"),
            "duration": _number(duration, "duration"),
        }
        if unit:
            payload["chargingRateUnit"] = unit.upper()
        answer = await self.request("GetCompositeSchedule", payload)
        self.show(f"GetCompositeSchedule: {answer.get('status')}")
        if "chargingSchedule" in answer:
            try:
                begin = parse_time(answer["scheduleStart"])
            except (KeyError, ValueError):
                begin = self.central.now()
            for line in plot(answer["chargingSchedule"], begin):
                self.show(line)
        return answer.get("status") != "Accepted"

    async def do_remote_start(self, tag, *words):
        payload = {"idTag": tag}
        words = list(words)
        if words and words[0] != "profile":
            payload["connectorId"] = _number(words.pop(0), "connector")
        if words:
            if len(words) != 2:
                raise CommandError("usage: remote-start TAG [connector] [profile FILE]")
            path = find_file(words[1], self.folder)
            connector = payload.get("connectorId", 1)
            request = load_profile(path, self.central.now(), None, connector, remote_start=True)
            profile = request["csChargingProfiles"]
            if profile["chargingProfilePurpose"] != "TxProfile":
                raise CommandError(f"{path}: RemoteStartTransaction takes a TxProfile only")
            payload["chargingProfile"] = profile
        return await self.ask("RemoteStartTransaction", payload)

    async def do_remote_stop(self, transaction=None):
        station = await self.station()
        running = self.running(station)
        if transaction is None and running is None:
            raise CommandError("no transaction is running")
        id = running["transactionId"] if transaction is None else _number(transaction, "id")
        return await self.ask("RemoteStopTransaction", {"transactionId": id}, station)

    async def do_reset(self, kind):
        return await self.ask("Reset", {"type": kind.capitalize()})

    async def do_get_config(self, *keys):
        answer = await self.request("GetConfiguration", {"key": list(keys)} if keys else {})
        for entry in answer.get("configurationKey", ()):
            mark = "  (read only)" if entry.get("readonly") else ""
            self.show(f"{entry.get('key')} = {entry.get('value', '')}{mark}")
        unknown = answer.get("unknownKey", ())
        if unknown:
            self.show(f"unknown: {', '.join(unknown)}")
        return bool(unknown)

    async def do_set_config(self, key, value):
        return await self.ask("ChangeConfiguration", {"key": key, "value": value})

    async def do_trigger(self, action, connector=None):
        payload = {"requestedMessage": action}
        if connector is not None:
            payload["connectorId"] = _number(connector, "connector")
        return await self.ask("TriggerMessage", payload)

    async def do_unlock(self, connector):
        return await self.ask("UnlockConnector", {"connectorId": _number(connector, "connector")})

    async def do_availability(self, connector, kind):
        payload = {"connectorId": _number(connector, "connector"), "type": kind.capitalize()}
        return await self.ask("ChangeAvailability", payload)

    async def do_clear_cache(self):
        return await self.ask("ClearCache", {})

    async def do_call(self, text):
        action, _, payload = text.partition(" ")
        if not action:
            raise CommandError("usage: call ACTION [JSON]")
        answer = await self.request(action, json.loads(payload or "{}"))
        self.show(f"{action}: {json.dumps(answer)}")

    async def do_raw(self, text):
        station = await self.station()
        self._marks[station.id] = (station.mark(), set())
        answer = await station.raw(text, timeout=30)
        if answer:
            self.show(json.dumps(answer))

    async def do_boot(self, status):
        self.central.boot_status = _one_of(status, ("Accepted", "Pending", "Rejected"))

    async def do_tag(self, tag, status):
        statuses = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
        self.central.tags[tag] = {"status": _one_of(status, statuses)}

    async def do_station(self, id=None):
        if id:
            self.chosen = id
        for name, station in self.central.stations.items():
            model = (station.boot or {}).get("chargePointModel", "")
            status = ", ".join(f"{n} {s}" for n, s in sorted(station.status.items()))
            chosen = "*" if name == self.chosen else " "
            self.show(f"{chosen} {name}  {model}  {status}".rstrip())
        if self.chosen not in self.central.stations:
            self.show(f"{self.chosen or 'no station'} is {'not ' * bool(self.chosen)}connected")

    async def do_sessions(self):
        for line in sessions_table(self.central.transactions):
            self.show(line)

    async def do_wait(self, action, *words):
        words = list(words)
        timeout = _seconds(words.pop()) if words and _seconds(words[-1]) is not None else 30
        if any("=" not in word for word in words):
            raise CommandError("usage: wait ACTION [field=value...] [seconds]")
        wanted = [word.partition("=")[::2] for word in words]
        station = await self.station(timeout)
        since, consumed = self._marks.setdefault(station.id, (0, set()))

        def find():
            for place, (way, frame, _) in enumerate(station.messages[since:], since):
                if way == "in" and frame[0] == 2 and len(frame) == 4 and frame[2] == action:
                    if place not in consumed and all(_has(frame[3], *one) for one in wanted):
                        return [place, frame[3]]
            return None

        try:
            place, payload = await self.central.until(find, timeout)
        except asyncio.TimeoutError:
            what = " ".join([action, *words])
            raise CommandError(f"{station.id} sent no {what} within {timeout:g} s") from None
        consumed.add(place)
        text = json.dumps(payload)
        self.show(f"{action} {text if len(text) < 200 else text[:200] + '...'}")

    async def do_sleep(self, seconds):
        if _seconds(seconds) is None:
            raise CommandError("usage: sleep SECONDS")
        await asyncio.sleep(_seconds(seconds))

    async def do_help(self):
        examples = " ".join(sorted(path.name for path in EXAMPLES.glob("*.json")))
        for line in HELP.format(examples=examples).splitlines():
            self.show(line)

    async def do_quit(self):
        self.done = True


# The terminal


class Terminal:
    """Standard output and input, shared by the traffic and the prompt."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.prompt = ""

    def show(self, line, red=False):
        """Print a line above the prompt. What a station sent must not steer the terminal."""
        line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda m: f"\\x{ord(m[0]):02x}", line)
        if self.colour and red:
            line = f"\x1b[31m{line}\x1b[0m"
        if self.prompt:
            line = f"\r\x1b[K{line}"
        try:
            print(line, flush=True)
            if self.prompt:
                print(self.prompt, end="", flush=True)
        except BrokenPipeError:  # | head: nobody reads any more
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.kill(os.getpid(), signal.SIGTERM)

    def log(self, line):
        """The log of the Central System: traffic; violations are shown even when quiet."""
        wrong = " !! " in line[:80]
        if wrong or not self.quiet:
            self.show(line, red=wrong)

    def lines(self):
        """A queue of the lines typed or piped in, None at the end."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue()

        def read():
            # In a thread: asyncio cannot wait on a file. os.read: a thread that is blocked in
            # sys.stdin would hold its lock and break the exit of the interpreter.
            rest = b""
            try:
                while piece := os.read(0, 4096):
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        loop.call_soon_threadsafe(
                            queue.put_nowait, line.decode("utf-8", "replace")
                        )
            except OSError:
                pass
            try:
                if rest:
                    loop.call_soon_threadsafe(queue.put_nowait, rest.decode("utf-8", "replace"))
                loop.call_soon_threadsafe(queue.put_nowait, None)
            except RuntimeError:
                pass  # the loop has ended

        threading.Thread(target=read, daemon=True).start()
        return queue


async def run_script(shell, path):
    """Run the commands of a file; the exit code."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        print(f"tools/csms: {path}: {getattr(error, 'strerror', error)}", file=sys.stderr)
        return 1
    shell.folder = Path(path).parent
    shell.patience = 30
    for number, line in enumerate(lines, 1):
        line = line.strip()
        tolerant = line.startswith("- ")
        line = line[2:].strip() if tolerant else line
        if line and not line.startswith("#"):
            shell.show(f"> {line}")
        try:
            failure = "refused" if await shell.run(line) else None
        except CommandError as error:
            failure = str(error)
        if failure and tolerant:
            shell.show(f"{failure} (going on)")
        elif failure:
            print(f"{path}:{number}: {line}: {failure}", file=sys.stderr, flush=True)
            return 1
        if shell.done:
            break
    shell.patience = 0
    return 0


async def run_prompt(shell, terminal):
    """Run the commands of standard input until it ends."""
    lines = terminal.lines()
    if sys.stdin.isatty() and sys.stdout.isatty():
        terminal.show('Type "help" for the commands.')
        terminal.prompt = "> "
        print(terminal.prompt, end="", flush=True)
    while not shell.done and (line := await lines.get()) is not None:
        try:
            await shell.run(line)
        except CommandError as error:
            terminal.show(str(error), red=True)
        if terminal.prompt and not shell.done:
            print(f"\r\x1b[K{terminal.prompt}", end="", flush=True)
    terminal.prompt = ""


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
        options.port, options.host, terminal.log, options.password or None, ssl=options.ssl
    )
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
        except OSError as error:
            parser.error(f"--make-certs {options.make_certs}: {error.strerror or error}")
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
        description="A Central System (OCPP 1.6J) for development: shows all traffic, takes "
        "commands. Type help at its prompt.",
    )
    parser.add_argument("--port", type=_port, default=9000, help="default 9000; 0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: reachable from the network")
    parser.add_argument(
        "--password",
        nargs="+",
        default=[],
        metavar="ID=KEY",
        help="demand Basic authentication; stations that are not listed are refused",
    )
    parser.add_argument(
        "--make-certs",
        metavar="DIR",
        help="speak TLS with a certificate for this computer; it, its CA and a station's "
        "certificate are made in DIR unless they are there (docs/security.md)",
    )
    parser.add_argument("--cert", metavar="FILE", help="speak TLS with this certificate (PEM)")
    parser.add_argument("--key", metavar="FILE", help="its key, if it is not in the same file")
    parser.add_argument(
        "--client-ca",
        metavar="FILE",
        help="demand of stations a certificate of this CA (PEM): security profile 3",
    )
    parser.add_argument("--script", metavar="FILE", help="run these commands first")
    parser.add_argument(
        "--no-prompt", action="store_true", help="read no commands; end with the script"
    )
    parser.add_argument("--quiet", action="store_true", help="show no traffic, only violations")
    options = parser.parse_args()
    if any("=" not in word for word in options.password):
        parser.error("--password wants ID=KEY")
    if sys.stdin is None and not options.no_prompt:
        parser.error("no commands can be read, for stdin is closed: say --no-prompt")
    options.password = dict(word.split("=", 1) for word in options.password)
    options.ssl = _tls(parser, options)
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return asyncio.run(run(options))
    except KeyboardInterrupt:  # before the signal handlers stand
        return 1


if __name__ == "__main__":
    sys.exit(main())
