"""OCPP 2.0.1, C: authorization. Each handler gets requests.Requests."""

from firmware.ocpp.v201.refusal import refused


def ClearCache(unit, payload):
    """C11: of tokens that it has spoken of."""
    if not unit.settings.value("cache"):  # (C11.FR.04)
        return refused("Rejected", "NotEnabled", "AuthCacheCtrlr.Enabled is false")
    unit.station.local().clear()
    return {"status": "Accepted"}
