# What can be wrong on the electrical side, and what OCPP calls it.

from micropython import const

NONE, PILOT_SHORT, DIODE, VENTILATION = const(0), const(1), const(2), const(3)

# errorCode and vendorErrorCode of StatusNotification (OCPP 1.6 ed. 2, 7.6), by fault.
OCPP = (
    ("NoError", None),
    ("EVCommunicationError", "PilotShort"),
    ("EVCommunicationError", "DiodeFault"),
    ("OtherError", "VentilationNotAvailable"),
)
