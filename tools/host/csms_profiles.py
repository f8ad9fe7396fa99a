"""Profile files of tools/csms: found, filled in, checked."""

import json
import re
from datetime import timedelta
from pathlib import Path

from host.csms import V16, V201, format_time, parse_time
from host.profile import in_201

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# The fields of a SetChargingProfile.req.
FIELDS = {V16: ("connectorId", "csChargingProfiles"), V201: ("evseId", "chargingProfile")}
_NOW = re.compile(r"now(?:([+-])(\d+))?")


class CommandError(Exception):
    """What is wrong with a command, for the person who typed it."""


def number(text, what):
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"{what} must be a whole number, not {text!r}") from None


def fields(words, names, usage):
    """{name: text} of words NAME=TEXT."""
    found = dict(word.partition("=")[::2] for word in words)
    if len(found) < len(words) or not all(found.get(name) for name in found):
        raise CommandError(usage)
    if unknown := set(found) - set(names):
        raise CommandError(f"{', '.join(sorted(unknown))}: {usage}")
    return found


def profile_filters(words, usage, more=()):
    """The words [id=N] [connector=N] [purpose=P] [level=N] as {name: value}; `more`: others."""
    found = fields(words, ("id", "connector", "purpose", "level", *more), usage)
    texts = ("purpose", *more)
    return {name: value if name in texts else number(value, name) for name, value in found.items()}


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


def _in_language(request, language):
    """A SetChargingProfile.req, or only its profile, as a request of the language."""
    wanted = FIELDS[language]
    for names in FIELDS.values():
        if names[1] in request:
            break
    else:
        names, request = wanted, {wanted[1]: request}
    names = dict(zip(names, wanted, strict=True))
    request = {names.get(key, key): value for key, value in request.items()}
    profile = request[wanted[1]]
    of_16 = {"chargingProfileId", "chargingProfilePurpose", "chargingSchedule"}
    if language is V201 and isinstance(profile, dict) and of_16 <= set(profile):
        if isinstance(profile["chargingSchedule"], dict):
            request[wanted[1]] = in_201(profile)
    return request


def load_profile(path, now, transaction=None, connector=None, remote_start=False, language=V16):
    """The SetChargingProfile.req in a file, ready to be sent.

    The file holds the request, or only its profile; for OCPP 2.0.1 too it may be one of 1.6.
    `transaction` is the running one (or None), `connector` overrides that of the file.
    `remote_start`: no transaction runs yet, so a "current" transactionId is left out.
    CommandError says what is wrong.
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
    request = _in_language(request, language)
    its_connector, its_profile = FIELDS[language]
    profile = request[its_profile]
    if remote_start and isinstance(profile, dict) and profile.get("transactionId") == "current":
        del profile["transactionId"]
    try:
        request = _fill_in(request, now, transaction and transaction["transactionId"])
    except CommandError as error:
        raise CommandError(f"{path}: {error}") from None
    profile = request[its_profile]
    if connector is not None:
        request[its_connector] = connector
    elif its_connector not in request and isinstance(profile, dict):
        per_connector = profile.get("chargingProfilePurpose") == "TxProfile"
        running = transaction[its_connector] if transaction else 1
        request[its_connector] = running if per_connector else 0
    faults = [text for _, text in language.schema_errors("SetChargingProfile", request)]
    faults = faults or profile_faults(request[its_connector], profile)
    if faults:
        raise CommandError(f"{path}: " + "; ".join(faults[:5]))
    return request


def profile_faults(connector, profile):
    """What a station must refuse although the schema allows it (1.6 sections 3.13, 5.16, 7.8;
    2.0.1 K01.FR.03, 16, 35, 38)."""
    purpose = profile["chargingProfilePurpose"]
    valid = [parse_time(profile[key]) for key in ("validFrom", "validTo") if key in profile]
    recurring = profile["chargingProfileKind"] == "Recurring"
    station = purpose in ("ChargePointMaxProfile", "ChargingStationMaxProfile")
    checks = [
        (station and connector, f"{purpose} is for connector 0"),
        (purpose == "TxProfile" and connector < 1, "TxProfile is for a connector above 0"),
        (purpose != "TxProfile" and "transactionId" in profile, "transactionId is for TxProfile"),
        (profile["stackLevel"] < 0, "stackLevel is negative"),
        (recurring and "recurrencyKind" not in profile, "Recurring wants a recurrencyKind"),
        (len(valid) == 2 and valid[0] >= valid[1], "validTo is not after validFrom"),
    ]
    faults = [text for wrong, text in checks if wrong]
    schedules = profile["chargingSchedule"]
    for schedule in schedules if isinstance(schedules, list) else [schedules]:
        faults += schedule_faults(schedule, recurring)
    return faults


def schedule_faults(schedule, recurring):
    """The same of one schedule."""
    periods = schedule["chargingSchedulePeriod"]
    starts = [period["startPeriod"] for period in periods]
    phases = [period.get("numberPhases", 3) for period in periods]
    checks = [
        (recurring and "startSchedule" not in schedule, "Recurring wants a startSchedule"),
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
