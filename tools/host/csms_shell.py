"""The commands of tools/csms: a line, and what is done about it."""

import asyncio
import inspect
import json
import shlex

from host.csms import CallError
from host.csms_lists import MORE_STATUSES, STATUSES, one_of
from host.csms_profiles import EXAMPLES, CommandError
from host.csms_requests import Requests
from host.csms_show import security_events, sessions_table

HELP = """\
The words are the same for a station that speaks OCPP 1.6 and for one that speaks 2.0.1, whose
EVSEs are called connectors here.

profile FILE [connector]           send SetChargingProfile; examples: {examples}
clear [id=N] [connector=N] [purpose=P] [level=N]   clear charging profiles, without filter all
composite CONNECTOR SECONDS [A|W]  the schedule that results of all profiles
remote-start TAG [connector] [profile FILE]        2.0.1: a tag is a card's (ISO14443), or TYPE:TAG
remote-stop [transactionId]        without an id: the running transaction
reset soft|hard                    soft: 2.0.1's OnIdle
get-config [key...]                without a key: all; 2.0.1: of COMPONENT.VARIABLE, such as
                                   SampledDataCtrlr.TxUpdatedInterval, EVSE@1.Power,
                                   OCPPCommCtrlr.MessageTimeout[Default], EVSE@1.Power/MaxSet
set-config KEY VALUE
trigger ACTION [connector]         have the station send BootNotification, MeterValues, ...
extended-trigger ACTION [connector]    the same by ExtendedTriggerMessage (1.6)
unlock CONNECTOR
availability CONNECTOR Operative|Inoperative       connector 0: the whole station
clear-cache
list-version                       of the local list of tags
send-list FILE [full|differential] [VERSION]       lines TAG STATUS [until=TIME] [parent=TAG],
                                   or TAG remove; in as many messages as the station needs
reserve TAG MINUTES [connector] [id=N] [parent=TAG]    connector 0: any
cancel-reservation ID
update FILE [minutes] [all] [ftp] [signer=FILE] [install=MINUTES]
                                   have the station, or all of them, fetch a .upd of make release,
                                   now or later (UpdateFirmware), by HTTP (HTTPS where TLS is
                                   spoken) or FTP; with a PEM file of a certificate
                                   and its key, signed (1.6: SignedUpdateFirmware)
diagnostics [URL]                  have the station send its file of diagnostics, into the folder
                                   diagnostics here, or to a URL by http, https or ftp
log [security] [URL]               the same by GetLog; security: its log of security events
sign [DIR]                         answer SignCertificate from now on by the CA in DIR (certs; made
                                   if there is none), and send the certificate
renew-certificate                  have the station ask for one
certificates [central|maker]       the roots that are on the station, numbered
install-certificate FILE central|maker     a root, in PEM or DER
delete-certificate N               that one of the latest list of certificates
call ACTION [JSON]                 any request, checked against its schema
raw TEXT                           one frame exactly as it is

Only with a station that speaks 2.0.1:
report [full|config|summary]       all variables; or some: report NAME|COMPONENT|available|enabled|
                                   active|problem ...
monitor NAME upper|lower|delta|periodic|aligned VALUE [severity=N] [id=N]
monitors [threshold|delta|periodic|NAME ...]       those that are set
clear-monitor ID
monitoring-base all|factory|hardwired
monitoring-level SEVERITY          0 (the worst) to 9: what is told up to
get-profiles [id=N] [connector=N] [purpose=P] [level=N] [source=CSO|EMS|SO|Other]
customer TAG [report] [clear]      what the station keeps of it (CustomerInformation)
network-profile SLOT URL [security=N] [timeout=SECONDS] [interface=NAME]
transaction-status [transactionId] the first characters of an id will do
cost AMOUNT [transactionId]        CostUpdated
events [transactionId]             the TransactionEvents of the latest, or of that transaction

boot Accepted|Pending|Rejected     our answer to BootNotification from now on
tag ID STATUS                      our answer for a tag: Accepted, Blocked, Expired, ...
station [ID]                       list the stations, or choose one for the commands
sessions                           the transactions with their energy
security-events                    what the station has told by SecurityEventNotification
wait ACTION [field=value...] [seconds]     wait for a request of the station (30 s), also one that
                                   came since the last command; fields may be dotted
sleep SECONDS
help, quit

Scripts: one command a line, # begins a comment line; the first error or refusal ends the script
with exit code 1, unless the line begins with "- ". Profile files are those of 1.6 or of 2.0.1; in
them the word "now" (or "now+900", in seconds) stands for the time and "transactionId": "current"
for the running transaction."""


def seconds(text):
    try:
        return float(text)
    except ValueError:
        return None


def has(payload, path, wanted):
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


class Shell(Requests):
    """All the commands."""

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

    async def do_boot(self, status):
        self.central.boot_status = one_of(status, ("Accepted", "Pending", "Rejected"))

    async def do_tag(self, tag, status):
        self.central.tags[tag] = {"status": one_of(status, (*STATUSES, *MORE_STATUSES))}

    async def do_station(self, id=None):
        if id:
            self.chosen = id
        for name, station in self.central.stations.items():
            boot = station.boot or {}
            model = boot.get("chargePointModel") or boot.get("chargingStation", {}).get(
                "model", ""
            )
            status = ", ".join(f"{n} {s}" for n, s in sorted(station.status.items()))
            chosen = "*" if name == self.chosen else " "
            self.show(f"{chosen} {name}  {model}  {station.language}  {status}".rstrip())
        if self.chosen and self.chosen not in self.central.stations:
            self.show(f"{self.chosen} is not connected")
        elif not self.central.stations:
            self.show("no station is connected")

    async def do_sessions(self):
        for line in sessions_table(self.central.transactions):
            self.show(line)

    async def do_security_events(self):
        for line in security_events((await self.station()).messages):
            self.show(line)

    async def do_wait(self, action, *words):
        words = list(words)
        timeout = seconds(words.pop()) if words and seconds(words[-1]) is not None else 30
        if any("=" not in word for word in words):
            raise CommandError("usage: wait ACTION [field=value...] [seconds]")
        wanted = [word.partition("=")[::2] for word in words]
        station = await self.station(timeout)
        since, consumed = self.marks.setdefault(station.id, (0, set()))

        def find():
            for place, (way, frame, _) in enumerate(station.messages[since:], since):
                if way == "in" and frame[0] == 2 and len(frame) == 4 and frame[2] == action:
                    if place not in consumed and all(has(frame[3], *one) for one in wanted):
                        return [place, frame[3]]
            return None

        what = " ".join([action, *words])
        try:
            async with self.waiting(what, timeout):
                place, payload = await self.central.until(find, timeout)
        except asyncio.TimeoutError:
            raise CommandError(f"{station.id} sent no {what} within {timeout:g} s") from None
        consumed.add(place)
        text = json.dumps(payload)
        self.show(f"{action} {text if len(text) < 200 else text[:200] + '...'}")

    async def do_sleep(self, text):
        if seconds(text) is None:
            raise CommandError("usage: sleep SECONDS")
        await asyncio.sleep(seconds(text))

    async def do_help(self):
        examples = " ".join(sorted(path.name for path in EXAMPLES.glob("*.json")))
        for line in HELP.format(examples=examples).splitlines():
            self.show(line)

    async def do_quit(self):
        self.done = True
