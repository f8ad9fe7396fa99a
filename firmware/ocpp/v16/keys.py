"""The settings: OCPP 1.6's configuration keys, behind them, with a dot in their names, what only
2.0.1 has; and what text means as a value of one. /ocpp.json and the console have these names,
whatever version is spoken. Loaded at boot, and for who reads or changes settings: 5 KB."""

from micropython import const

from firmware import lazy
from firmware.ocpp.text import printable
from firmware.station import metering

# One line a key, in order: a third of the heap of tuples, and in pieces that fit into small holes.
#   name setting access type default least most
# The setting is the name by which all else knows it, whatever is spoken; "-": nothing does.
# Access: rw, ro, rb (a change needs a reboot), un (the unit changes it, nobody else). The default
# "-": the unit says (`fixed`). Types:
#   b bool    i integer    s text    m list of measurands, at most `least`; *: all there are
#   p list of phase rotations, at most `least`    h a password: `least` to `most` hexadecimal
#   digits or, behind a colon, 16 to 40 characters of OCPP 2.0.1's passwordString
#   l integer, never less than what the unit says    t text of `least` to `most` characters
#   o some of the words of `least`; the value is their bits    d decimal, in tenths
#   q order of the slots of ocpp/addresses.py    n what is in one. What is not here: NotSupported.
_TABLE = (
    "AdditionalRootCertificateCheck root_check ro b -",
    "AlignedDataCtrlr.SendDuringIdle aligned_idle rw b false",
    "AlignedDataCtrlr.TxEndedInterval stop_aligned_s rw i 0 0 86400",
    "AllowOfflineTxForUnknownId offline_unknown rw b false",
    "AuthCacheCtrlr.DisablePostAuthorize cache_final rw b false",
    "AuthCacheCtrlr.LifeTime cache_s rw i 0 0 2147483647",
    "AuthCtrlr.DisableRemoteAuthorization unasked rw b false",
    "AuthCtrlr.MasterPassGroupId master_group rw t - 0 36",
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
    "LocalAuthListCtrlr.DisablePostAuthorize list_final rw b false",
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
    "MonitoringCtrlr.ActiveMonitoringBase alert_base un o All All,FactoryDefault,HardWiredOnly",
    "MonitoringCtrlr.ActiveMonitoringLevel alert_level un i 9 0 9",
    "MonitoringCtrlr.Enabled alerts rw b true",
    "MonitoringCtrlr.OfflineQueuingSeverity alert_offline rw i 5 0 9",
    "NumberOfConnectors connectors ro i -",
    "OCPPCommCtrlr.ActiveNetworkProfile slot un i 0 0 4",  # (the latest that was of use)
    "OCPPCommCtrlr.Language spoken un i 0 0 9",  # (the latest; 0: the last of versions.py)
    "OCPPCommCtrlr.NetworkConfigurationPriority slots rb q -",
    "OCPPCommCtrlr.NetworkProfile1 slot1 un n -",
    "OCPPCommCtrlr.NetworkProfile2 slot2 un n -",
    "OCPPCommCtrlr.NetworkProfile3 slot3 un n -",
    "OCPPCommCtrlr.NetworkProfile4 slot4 un n -",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts dial_attempts rw i 1 1 100",
    "OCPPCommCtrlr.OfflineThreshold offline_s rw i 0 0 86400",
    "PilotwireAcceptKnownMeasurands accept_known rw b false",  # (change())
    "PilotwireIncreaseDelay rise_s rw i 5 2 5",  # (connector.py, allot)
    "PilotwireMinimumPause pause_s rw i 60 0 3600",
    "ReservationCtrlr.Enabled reservable rw b true",
    "ReserveConnectorZeroSupported - ro b true",
    "ResetRetries reset_retries rw i 0 0 10",  # (a reset here does not fail: none is needed)
    "RetryBackOffRandomRange backoff_random_s rw i 10 0 3600",  # (as in OCPP 2.0.1)
    "RetryBackOffRepeatTimes backoff_doublings rw i 5 0 10",
    "RetryBackOffWaitMinimum backoff_s rw i 2 1 3600",
    "SampledDataCtrlr.TxEndedInterval stop_sample_s rw i 0 0 86400",
    "SampledDataCtrlr.TxStartedMeasurands started rw m Energy.Active.Import.Register 12",
    "SecurityCtrlr.CertSigningRepeatTimes sign_tries rw i 3 0 100",
    "SecurityCtrlr.CertSigningWaitMinimum sign_s rw i 60 1 86400",
    "SecurityProfile security rw l - 0 3",
    "SendLocalListMaxLength - ro i 50",
    "SmartChargingCtrlr.ExternalControlSignalsEnabled outside rw b true",
    "SmartChargingCtrlr.LimitChangeSignificance significance_permille rw d 1 0 1000",
    "SmartChargingCtrlr.NotifyChargingLimitWithSchedules limit_schedules rw b false",
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
    "TxCtrlr.TxBeforeAcceptedEnabled unaccepted rw b true",
    "TxCtrlr.TxStartPoint tx_start rw o PowerPathClosed"
    " EVConnected,Authorized,PowerPathClosed,EnergyTransfer",
    "TxCtrlr.TxStopPoint tx_stop rw o Authorized,PowerPathClosed"
    " EVConnected,Authorized,PowerPathClosed,EnergyTransfer",
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
# Of the passwords of OCPP 2.0.1 (part 2, 2.1.4).
_PASSWORD = const("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-_=:+|@.")
# What a value may be, by its type.
_WANTED = const(
    "true or false|%s to %s|%s to %s|%s to %s hexadecimal digits, or a colon and then 16 to 40"
    " letters, digits and *-_=:+@.|RST or 0.RST,1.STR ..., at most %s|measurands of"
    " docs/configuration.md, at most %s|%s to %s characters|some of %s|%s to %s tenths|slots with"
    " an address, 1 to 4, each once|nothing, or what SetNetworkProfile puts there"
)

# `c` is the Configuration throughout: this module is the part of it that is not always in RAM.


def find(name, c):
    """The line of the setting that people know by this name, as in lines(), or None."""
    for line in lines(c, name + " "):
        if line[0] == name:
            return line
    return None


def named(setting, c):
    """The same by its neutral name, which there has to be."""
    for line in lines(c, "", " " + setting + " "):
        if line[_SETTING] == setting:
            return line
    raise KeyError(setting)


def lines(c, start="", part=""):
    """The lines with that `start` and `part`, split, in order. What the unit says (`fixed`) is
    read-only, whatever the table says, unless it is only where the value starts (default "-")."""
    for text in _TABLE:  # (to split each takes a chip 25 ms)
        if text.startswith(start) and part in text:
            line = text.split(" ")
            if line[_SETTING] in c.fixed and line[_DEFAULT] != "-":
                line[_ACCESS] = "ro"
            yield line


def key(setting, c):
    """The name of `setting`; of "-setting", what it was before: that with "-" in front."""
    old = setting[:1] == "-"
    return "-" * old + named(setting[old:], c)[0]


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
            names = metering.MEASURANDS.replace(" ", ",") if value == "*" else value
            value = _source(names.split(","), c)
    return str(value).lower() if isinstance(value, bool) else str(value)


def values(c):
    """What the unit goes by, as "\\nsetting value\\nsetting value ...\\n"."""
    every = [""]
    for line in lines(c):
        value = None if line[_TYPE] in "hpqn" else check(line, text(line, c), c)
        if line[_TYPE] == "t":
            value = '"' + value
        if value is not None:
            every.append(line[_SETTING] + " " + str(value))
    return "\n".join(every + [""])


def check(line, text, c):
    """The value that `text` means for this setting; None: it is no good one."""
    kind = line[_TYPE]
    if line[_ACCESS] == "ro":
        return None
    if kind == "b":
        return {"true": True, "false": False}.get(text.lower())
    if kind in "ild":
        try:
            number = _tenths(text) if kind == "d" else int(text)
        except ValueError:
            return None
        return number if int(line[_LEAST]) <= number <= int(line[_MOST]) else None
    if kind == "h":
        if text[:1] == ":":
            good, of = 17 <= len(text) <= 41, _PASSWORD
        else:
            good = int(line[_LEAST]) <= len(text) <= int(line[_MOST]) and not len(text) & 1
            of = "0123456789ABCDEFabcdef"
        return text if good and not text.strip(of) else None
    if kind == "t":
        data = text.encode()  # (no controls, and no halves of characters)
        good = int(line[_LEAST]) <= len(text) <= int(line[_MOST]) and printable(text) == text
        return text if good and not [b for b in data if b < 32 or b == 127] else None
    if kind == "o":
        known, bits = line[_LEAST].split(","), 0
        for name in text.split(","):
            if name.strip() not in known:
                return None
            bits |= 1 << known.index(name.strip())
        return bits
    if kind == "q" or kind == "n":
        return lazy.load("ocpp.addresses").check(kind, text)
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


def _tenths(text):  # (not by way of a float)
    whole, dot, rest = text.partition(".")
    if not whole.isdigit() or dot and not rest.isdigit():
        raise ValueError
    return int(whole) * 10 + int((rest + "0")[0])


def wants(line):
    """What a value may be, in words."""
    text = _WANTED.split("|")["bilhpmtodqn".find(line[_TYPE])]
    return text % tuple(line[5:]) if "%" in text else text


def put(c, line, said):
    """Change a setting, durably, to what a text means. True: it is in force; None: after a reset;
    False: it could not be kept, the log says why. Raises ValueError, which says what is wanted."""
    kind, setting = line[_TYPE], line[_SETTING]
    if line[_ACCESS] in ("ro", "un"):
        raise ValueError("it is read-only")
    if kind == "m" and c.value("accept_known"):  # what of it there is, if there is any
        said = _source(said.split(","), c) or said
    value = check(line, said, c)
    if value is None:
        raise ValueError("what is wanted: " + wants(line))
    if kind in "hl":
        done = lazy.load("ocpp.security").change(c, setting, value, c.log)
    else:
        if kind == "q":
            lazy.load("ocpp.security").ready(c, value)
        stored = dict(c.stored)
        stored[setting] = said if kind in "mpod" else value
        done = text(line, c) == text(line, c, None, stored) or c.write(stored)
    return done and (None if line[_ACCESS] == "rb" else True)


def _source(names, c):  # those of the measurands that have a source, each once, as text
    out = []
    for name in [name.strip() for name in names]:
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
