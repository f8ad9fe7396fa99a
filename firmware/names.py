"""The words for people, for what the code has numbers for: on the console, in the log, in `state`
(docs/state.md), whatever version of OCPP is spoken. Loaded while one is said."""

from micropython import const

# By state of a connector (station/states.py), Outbox.boot, purpose of a profile.
STATES = (
    "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted"
)
BOOTS = "Accepted Pending Rejected"
PURPOSES = "TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"
_FAULTS = const(
    "NoError ContactorWelded ResidualCurrent ResidualSelfTest Interlock ProtectiveEarth Overload"
    " PilotShort Cable DiodeFault ContactorNotClosed PilotDuty VentilationNotAvailable"
    " UnderVoltage OverVoltage HighTemperature OverCurrentFailure ConnectorLockFailure PilotRange"
    " PowerMeterFailure Policy LocalListConflict"
)


def fault(number):
    """Of a fault (electrical/faults.py)."""
    return _FAULTS.split(" ")[number]
