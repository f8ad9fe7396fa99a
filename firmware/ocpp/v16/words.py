"""The words of OCPP 1.6 for what the station calls by numbers. Loaded while one is told."""

from micropython import const

PURPOSES = "TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"  # profile.TX ..
# By state of a connector, cause of a stop (station/states.py), fault (electrical/faults.py).
STATES = (
    "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted"
)
_REASONS = const(
    "Local Remote EVDisconnected PowerLoss Other SoftReset HardReset UnlockCommand DeAuthorized"
    " EmergencyStop"
)
TOKENS = "Accepted Blocked Expired Invalid ConcurrentTx"  # of a tag, by storage/tags.py (7.2)
BOOTS = "Accepted Pending Rejected"  # by Outbox.boot (7.35)
_ERRORS = const(
    "NoError|PowerSwitchFailure ContactorWelded|GroundFailure ResidualCurrent|"
    "GroundFailure ResidualSelfTest|OtherError Interlock|GroundFailure ProtectiveEarth|"
    "OverCurrentFailure Overload|EVCommunicationError PilotShort|OtherError Cable|"
    "EVCommunicationError DiodeFault|PowerSwitchFailure ContactorNotClosed|"
    "InternalError PilotDuty|OtherError VentilationNotAvailable|UnderVoltage|OverVoltage|"
    "HighTemperature|OverCurrentFailure|ConnectorLockFailure|EVCommunicationError PilotRange|"
    "PowerMeterFailure|OtherError Policy|LocalListConflict"
)
# Of security events, by number (station/security.py).
_EVENTS = const(
    "FirmwareUpdated FailedToAuthenticateAtCentralSystem CentralSystemFailedToAuthenticate"
    " SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared"
    " ReconfigurationOfSecurityParameters MemoryExhaustion InvalidMessages AttemptedReplayAttacks"
    " TamperDetectionActivated InvalidFirmwareSignature InvalidFirmwareSigningCertificate"
    " InvalidCentralSystemCertificate InvalidChargePointCertificate InvalidTLSVersion"
    " InvalidTLSCipherSuite"
)


def reason(cause):
    """Reason of StopTransaction.req."""
    return _REASONS.split(" ")[cause]


def event(number):
    """The type of SecurityEventNotification.req."""
    return _EVENTS.split(" ")[number]


def error(fault):
    """(errorCode, vendorErrorCode or None) of StatusNotification.req."""
    code, _, vendor = _ERRORS.split("|")[fault].partition(" ")
    return code, vendor or None


def fault(number):
    """One word for a fault, as people see it."""
    code, vendor = error(number)
    return vendor or code
