"""OCPP 1.6's configuration keys, and what text means as a value of one. /ocpp.json has their
names, whatever version is spoken. Loaded at boot, and for who reads or changes keys: 4 KB."""

import json
from micropython import const

from firmware import lazy
from firmware.ocpp.text import printable
from firmware.station import metering

# One line a key, in order. Text, because that is a third of the heap of tuples; in lines, because
# a heap of many small holes has no room for 1.4 KB.
#   name setting access type default least most
# The setting is the name by which all else knows it, whatever is spoken; "-": nothing does.
# Access: rw, ro, rb (a change needs a reboot). The default "-": the unit says (`fixed`). Types:
#   b bool    i integer    s text    m list of measurands, at most `least`; *: all there are
#   p list of phase rotations, at most `least`    h `least` to `most` hexadecimal digits, a secret
#   l integer, never less than what the unit says    t text of `least` to `most` characters
# What is not here is not acted on, and answered NotSupported.
_TABLE = (
    "AdditionalRootCertificateCheck root_check ro b -",
    "AllowOfflineTxForUnknownId offline_unknown rw b false",
    "AuthorizationCacheEnabled cache rw b true",
    "AuthorizationKey password rw h - 32 40",
    "AuthorizeRemoteTxRequests remote_authorise rw b false",
    "CertificateSignedMaxChainSize - ro i 3000",  # (docs/security.md)
    "CertificateStoreMaxLength - ro i 8",  # (storage/certificates.py)
    "ChargeProfileMaxStackLevel - ro i 15",
    "ChargingScheduleAllowedChargingRateUnit - ro s Current,Power",
    "ChargingScheduleMaxPeriods - ro i 96",
    "ClockAlignedDataInterval aligned_s rw i 0 0 86400",
    "CompositeScheduleLocalLimits composite_local rw b false",  # ours: cable, policy
    "ConnectionTimeOut wait_s rw i 60 1 86400",
    "ConnectorPhaseRotation rotation rw p Unknown 5",
    "ConnectorPhaseRotationMaxLength - ro i 5",
    "ConnectorSwitch3to1PhaseSupported phase_switching ro b -",
    "CpoName operator rw t - 0 64",
    "GetConfigurationMaxKeys - ro i 64",
    "HeartbeatInterval heartbeat_s rw i 300 1 86400",
    "LocalAuthListEnabled list rw b true",
    "LocalAuthListMaxLength - ro i 1000",  # (tags.MAX_LIST)
    "LocalAuthorizeOffline offline_known rw b true",
    "LocalPreAuthorize preauthorise rw b false",
    "MaxChargingProfilesInstalled - ro i 32",
    "MaxEnergyOnInvalidId refused_Wh rw i 0 0 1000000",
    "MeterValueSampleInterval sample_s rw i 60 0 86400",
    "MeterValuesAlignedData aligned rw m * 12",
    "MeterValuesAlignedDataMaxLength - ro i 12",
    "MeterValuesSampledData sampled rw m * 12",
    "MeterValuesSampledDataMaxLength - ro i 12",
    "MinimumStatusDuration status_s rw i 0 0 3600",
    "NumberOfConnectors connectors ro i -",
    "PilotwireAcceptKnownMeasurands accept_known rw b false",  # (change())
    "PilotwireIncreaseDelay rise_s rw i 5 2 5",  # (connector.py, allot)
    "PilotwireMinimumPause pause_s rw i 60 0 3600",
    "ReserveConnectorZeroSupported - ro b true",
    "ResetRetries reset_retries rw i 0 0 10",  # (a reset here does not fail: none is needed)
    "RetryBackOffRandomRange backoff_random_s rw i 10 0 3600",  # (as in OCPP 2.0.1)
    "RetryBackOffRepeatTimes backoff_doublings rw i 5 0 10",
    "RetryBackOffWaitMinimum backoff_s rw i 2 1 3600",
    "SecurityProfile security rw l - 0 3",
    "SendLocalListMaxLength - ro i 50",
    "StopTransactionOnEVSideDisconnect stop_unplugged rw b true",
    "StopTransactionOnInvalidId stop_refused rw b true",
    "StopTxnAlignedData stop_aligned rw m , 12",
    "StopTxnAlignedDataMaxLength - ro i 12",
    "StopTxnSampledData stop_sampled rw m , 12",
    "StopTxnSampledDataMaxLength - ro i 12",
    "SupportedFeatureProfiles - ro s "
    "Core,SmartCharging,RemoteTrigger,LocalAuthListManagement,Reservation,FirmwareManagement",
    "SupportedFileTransferProtocols - ro s FTP,HTTP,HTTPS",
    "TransactionMessageAttempts attempts rw i 3 1 1000",
    "TransactionMessageRetryInterval retry_s rw i 10 0 86400",
    "UnlockConnectorOnEVSideDisconnect unlock_unplugged rw b true",
    "WebSocketPingInterval ping_s rw i 60 0 3600",
)
_SETTING = const(1)
_ACCESS = const(2)
_TYPE = const(3)
_DEFAULT = const(4)
_LEAST = const(5)
_MOST = const(6)
_ROTATIONS = const("NotApplicable Unknown RST RTS SRT STR TRS TSR")

# `c` is the Configuration throughout: this module is the part of it that is not always in RAM.


def find(name, c):
    """The key's line, as in lines(); None: there is no such key."""
    for line in lines(c, name + " "):
        if line[0] == name:
            return line
    return None


def lines(c, start=""):
    """The lines, split, in order, of the keys with that `start`. What the unit says (`fixed`) is
    read-only, whatever the table says, unless it is only where the key starts (default "-")."""
    for text in _TABLE:
        if text.startswith(start):
            line = text.split(" ")
            if line[_SETTING] in c.fixed and line[_DEFAULT] != "-":
                line[_ACCESS] = "ro"
            yield line


def key(setting, c):
    """The key of `setting`; of "-setting", what it was before: that with "-" in front."""
    old = setting[:1] == "-"
    for line in lines(c):
        if line[_SETTING] == setting[old:]:
            return "-" * old + line[0]
    raise KeyError(setting)


def text(line, c, name=None, stored=None):
    """What is in force, as OCPP writes it; default measurands are those that have a source. name:
    of a stored value, if not the setting's. stored: the values, if not those of now."""
    stored = c.stored if stored is None else stored
    value = stored.get(name or line[_SETTING], c.fixed.get(line[_SETTING]))
    if line[_TYPE] == "l" and type(value) is int:
        value = max(value, c.fixed[line[_SETTING]])
    if value is None:
        value = line[_DEFAULT]
        if value == "-":
            value = "false" if line[_TYPE] == "b" else ""
        elif line[_TYPE] == "m":
            value = _source(metering.MEASURANDS.split(" ") if value == "*" else (), c)
    return str(value).lower() if isinstance(value, bool) else str(value)


def values(c):
    """What the unit goes by, as "\\nsetting value\\nsetting value ...\\n"."""
    every = [""]
    for line in lines(c):
        value = None if line[_TYPE] in "hpt" else check(line, text(line, c), c)
        if value is not None:
            every.append(line[_SETTING] + " " + str(value))
    return "\n".join(every + [""])


def check(line, text, c):
    """The value that `text` means for this key; None: it is no good one."""
    kind = line[_TYPE]
    if line[_ACCESS] == "ro":
        return None
    if kind == "b":
        return {"true": True, "false": False}.get(text.lower())
    if kind in "il":
        try:
            value = int(text)
        except ValueError:
            return None
        return value if int(line[_LEAST]) <= value <= int(line[_MOST]) else None
    if kind == "h":
        good = int(line[_LEAST]) <= len(text) <= int(line[_MOST]) and not len(text) & 1
        return text if good and not text.lower().strip("0123456789abcdef") else None
    if kind == "t":
        data = text.encode()  # (no controls, and no halves of characters)
        good = int(line[_LEAST]) <= len(text) <= int(line[_MOST]) and printable(text) == text
        return text if good and not [b for b in data if b < 32 or b == 127] else None
    if text.count(",") >= int(line[_LEAST]):
        return None
    if kind == "m":
        return mask(text, c.gives)
    for name in text.split(","):  # "RST" or "1.RST,2.STR": a connector's, 0: the station's
        number, dot, rotation = name.strip().rpartition(".")
        known = not dot or number.isdigit() and int(number) <= c.fixed["connectors"]
        if not known or rotation not in _ROTATIONS.split(" "):
            return None
    return text


def _source(names, c):  # those of the measurands that have a source, each once, as text
    out = []
    for name in names:
        name = name.strip()
        if name not in out and mask(name, c.gives):
            out.append(name)
    return ",".join(out)


def mask(text, n):
    """Bits (metering.py) of `n` that a list of measurands names; None: one is not there."""
    bits, known = 0, metering.MEASURANDS.split(" ")
    for name in text.split(",") if text.strip() else ():
        name = name.strip()
        if name[:8] == "Voltage." and name[-2:] == "-N":
            name = name[:-2]
        phases = 0xFFF  # (all there is; only current and voltage have bits of one phase)
        if name[-3:-1] == ".L" and "1" <= name[-1] <= "3":
            phases = 0x12 << int(name[-1])
            name = name[:-3]
        if name not in known:
            return None
        i = known.index(name)
        one = (b"\x01\x02\x1c\xe0"[i] if i < 4 else 0x10 << i) & phases & n
        if not one:
            return None
        bits |= one
    return bits


def change(c, name, value):
    """Change a key, durably, to what a text means. Returns ChangeConfiguration.conf's status."""
    line = find(name, c)
    if not line:
        return "NotSupported"
    said = value
    if line[_TYPE] == "m" and c.value("accept_known"):  # what of it there is, if there is any
        said = _source(value.split(","), c) or value
    value = check(line, said, c)
    if value is None:
        return "Rejected"
    setting = line[_SETTING]
    if line[_TYPE] in "hl":
        done = lazy.load("ocpp.security").change(c, setting, value, c.log)
    else:
        stored = dict(c.stored)
        stored[setting] = said if line[_TYPE] in "mp" else value
        done = text(line, c) == text(line, c, None, stored) or c.write(stored)
    if not done:
        return "Rejected"
    return "RebootRequired" if line[_ACCESS] == "rb" else "Accepted"


def pieces(c, names, printable):
    """A function that gives GetConfiguration.conf as pieces of JSON; no names: all."""
    stored = c.stored  # (as it is now, whatever is changed while the answer leaves)

    def made():
        between, unknown = '{"configurationKey":[', []
        for line in (find(name, c) or name for name in names) if names else lines(c):
            if isinstance(line, str):
                unknown.append(json.dumps(printable(line)))
                continue
            entry = {"key": line[0], "readonly": line[_ACCESS] == "ro"}
            if line[_TYPE] != "h":
                entry["value"] = text(line, c, None, stored)
            yield between + json.dumps(entry)
            between = ","
        yield "]" if between == "," else between + "]"
        if unknown:
            yield ',"unknownKey":[' + ",".join(unknown) + "]"
        yield "}"

    return made
