"""OCPP 2.0.1, N: logs, and what is known of a customer. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.ocpp.v201.refusal import refused


def GetLog(unit, payload):
    """N01: in place of the one that leaves."""
    try:
        name, runs = lazy.load("ocpp.uploads").get_log(unit, payload, _ended)
    except ValueError as e:
        return refused("Rejected", "InvalidValue", str(e))
    return {"status": "AcceptedCanceled" if runs else "Accepted", "filename": name}


def _ended(action, status):
    # That its place was taken is told with its own requestId (N01.FR.20).
    return "AcceptedCanceled", status[1]


def CustomerInformation(unit, payload):
    """N09, N10: of a token; of a certificate and a customerIdentifier nothing is ever known."""
    report, clear = payload["report"], payload["clear"]
    if not (report or clear):  # (N09.FR.07)
        return refused("Rejected", "InvalidValue", "neither report nor clear is true")
    names = "idToken", "customerCertificate", "customerIdentifier"
    if len([name for name in names if name in payload]) != 1:
        return refused("Invalid", "MissingParam", "one of " + ", ".join(names))
    asked = payload["requestId"], payload.get("idToken"), report, clear
    return lazy.load("ocpp.v201.reports").begin(unit, "customer", *asked)
