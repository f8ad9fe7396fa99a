"""The words of OCPP 1.6 for what the station calls by numbers. Loaded while one is told."""

from micropython import const

from firmware import lazy

PURPOSES = "TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"  # profile.TX ..
# By state of a connector, cause of a stop (station/states.py), fault (electrical/faults.py).
STATES = (
    "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted"
)
_REASONS = const(
    "Local Remote EVDisconnected PowerLoss Other SoftReset HardReset UnlockCommand DeAuthorized"
    " EmergencyStop Local Other Local Other"
)
TOKENS = "Accepted Blocked Expired Invalid ConcurrentTx"  # of a tag, by storage/tags.py (7.2)
BOOTS = "Accepted Pending Rejected"  # by Outbox.boot (7.35)
_ERRORS = const(
    "NoError PowerSwitchFailure GroundFailure GroundFailure OtherError GroundFailure"
    " OverCurrentFailure EVCommunicationError OtherError EVCommunicationError PowerSwitchFailure"
    " InternalError OtherError UnderVoltage OverVoltage HighTemperature OverCurrentFailure"
    " ConnectorLockFailure EVCommunicationError PowerMeterFailure OtherError LocalListConflict"
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
    """(errorCode, vendorErrorCode or None: it says no more) of StatusNotification.req."""
    code, name = _ERRORS.split(" ")[fault], lazy.load("names").fault(fault)
    return code, name if name != code else None
