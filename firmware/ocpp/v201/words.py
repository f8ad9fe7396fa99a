"""The words of OCPP 2.0.1 for what the station calls by numbers. Loaded while one is told."""

from micropython import const

from firmware.clock import parse_iso
from firmware.electrical import faults

PURPOSES = "TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"  # profile.TX ..
BOOTS = "Accepted Pending Rejected"  # by Outbox.boot
# BootReasonEnumType, by number as of crash.how().
REASONS = (
    "PowerUp RemoteReset LocalReset ScheduledReset Watchdog ApplicationReset FirmwareUpdate"
    " Unknown"
)
# By state of a connector (station/states.py): ConnectorStatusEnumType, ChargingStateEnumType (of a
# transaction; without a car it is Idle).
STATES = "Available Occupied Occupied Occupied Occupied Occupied Reserved Unavailable Faulted"
CHARGING = (
    "Idle EVConnected Charging SuspendedEV SuspendedEVSE EVConnected EVConnected - SuspendedEVSE"
)
# By cause of a stop (station/states.py): TriggerReasonEnumType and ReasonEnumType.
_STOPS = const(
    "StopAuthorized Local|RemoteStop Remote|EVCommunicationLost EVDisconnected|"
    "AbnormalCondition PowerLoss|AbnormalCondition Other|ResetCommand Reboot|"
    "ResetCommand ImmediateReset|UnlockCommand Other|Deauthorized DeAuthorized|"
    "AbnormalCondition EmergencyStop|StopAuthorized MasterPass|EVConnectTimeout Timeout|"
    "ChargingStateChanged StoppedByEV|ChargingStateChanged Other"
)
# Of a transaction, TriggerReasonEnumType: what it begins by, with the ChargingStateEnumType then;
# why its state changes (storage/journal.py).
BEGINS = (
    "Authorized EVConnected|CablePluggedIn EVConnected|CablePluggedIn EVConnected|Authorized Idle|"
    "ChargingStateChanged Charging"
)
CHANGES = "ChargingStateChanged CablePluggedIn EVCommunicationLost EnergyLimitReached"
# Of a token: what is said of it, by storage/tags.py, and its kind (station/states.py).
TOKENS = "Accepted Blocked Expired Invalid ConcurrentTx"
TYPES = "ISO14443 Central Local NoAuthorization KeyCode eMAID MacAddress ISO15693"
# Of security events, by number (station/security.py); part 2, appendix 1.
_EVENTS = const(
    "FirmwareUpdated FailedToAuthenticateAtCsms CsmsFailedToAuthenticate SettingSystemTime"
    " StartupOfTheDevice ResetOrReboot SecurityLogWasCleared ReconfigurationOfSecurityParameters"
    " MemoryExhaustion InvalidMessages AttemptedReplayAttacks TamperDetectionActivated"
    " InvalidFirmwareSignature InvalidFirmwareSigningCertificate InvalidCsmsCertificate"
    " InvalidChargingStationCertificate InvalidTLSVersion InvalidTLSCipherSuite"
)
# What else may be said of a token means here: it is blocked.
_REFUSED = const("NoCredit NotAllowedTypeEVSE NotAtThisLocation NotAtThisTime")


def stop(cause, fault=None):
    """(triggerReason, stoppedReason) of a transaction's end, and of the fault that ended it."""
    trigger, reason = _STOPS.split("|")[cause].split(" ")
    if reason == "Other" and fault is not None:
        if fault in (faults.OVERLOAD, faults.OVERCURRENT):
            reason = "OvercurrentFault"
        elif fault in (faults.RESIDUAL, faults.PE):
            reason = "GroundFault"
    return trigger, reason


def token(text, kind):
    """An IdTokenType."""
    return {"idToken": text, "type": TYPES.split(" ")[kind]}


def event(number):
    """The type of SecurityEventNotificationRequest."""
    return _EVENTS.split(" ")[number]


def kind(token):
    """The kind of an IdTokenType (station/states.py)."""
    return TYPES.split(" ").index(token["type"])


def group(info, local):
    """The groupIdToken of an IdTokenInfoType, or of a request, as storage/tags.py has it."""
    token = info.get("groupIdToken")
    if not token or None in (token.get("idToken"), token.get("type")):  # (none, or damaged)
        return None
    return local.group(token["idToken"], kind(token))


def token_info(info, local, number=None):
    """An IdTokenInfoType as storage/tags.py has it: (status, expiry_s or None, group or None).
    number: of the EVSE that is asked for; who may charge at some of them only may not at others,
    nor where nobody knows at which (None)."""
    until, status, evses = info.get("cacheExpiryDateTime"), info.get("status"), info.get("evseId")
    if status in _REFUSED.split(" ") or status == "Accepted" and evses and number not in evses:
        status = 1
    elif status is not None:
        status = 3 if status == "Unknown" else TOKENS.split(" ").index(status)
    return status, parse_iso(until) if until else None, group(info, local)


def plug(c):
    """The ConnectorEnumType of a connector: a socket, or a cable of its own."""
    return "sType2" if c.proximity else "cType2"
