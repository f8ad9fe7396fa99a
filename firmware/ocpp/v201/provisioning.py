"""OCPP 2.0.1, B: resets and network profiles. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.ocpp.v201.refusal import refused
from firmware.station.security import RECONFIGURED
from firmware.station.update import INSTALLING


def Reset(unit, payload):
    """B11, B12: it begins when the answer is on its way, or when no transaction runs any more."""
    station, idle = unit.station, payload["type"] == "OnIdle"
    number = payload.get("evseId")
    if number is not None:
        if not 0 <= number <= len(station.connectors):
            return refused("Rejected", "UnknownEvse", "no EVSE %d" % number)
        if number:  # (B11.FR.09)
            return refused("Rejected", "UnsupportedRequest", "no EVSE can be reset alone")
    if station.update and station.update.state == INSTALLING:  # (B11.FR.06)
        return refused("Rejected", "FwUpdateInProgress", "an update is about to restart it")
    if not idle:
        unit.rpc.after = lambda: unit.reset("Immediate")
    elif any([c.tx for c in station.connectors]):  # (B12.FR.01)
        unit.rpc.after = lambda: unit.reset("Idle", "scheduled")
        return {"status": "Scheduled"}
    else:
        unit.rpc.after = lambda: unit.reset("Soft")
    return {"status": "Accepted"}


def SetNetworkProfile(unit, payload):
    """B09: a slot that is not in use gets an address; it is dialled when the order names it."""
    settings, number = unit.settings, payload["configurationSlot"]
    data, addresses = payload["connectionData"], lazy.load("ocpp.addresses")
    if not 1 <= number <= 4:
        return refused("Rejected", "InvalidConfSlot", "slots are 1 to 4")  # (B09.FR.05)
    if number == settings.slot:
        return refused("Rejected", "InvalidConfSlot", "slot %d is in use" % number)
    if data["securityProfile"] < settings.value("security"):  # (B09.FR.04)
        least = settings.value("security")
        return refused("Rejected", "NoSecurityDowngrade", "the SecurityProfile is %d" % least)
    if data["ocppTransport"] != "JSON":
        return refused("Rejected", "InvalidNetworkConf", "there is JSON alone")
    if "vpn" in data or "apn" in data:
        return refused("Rejected", "InvalidNetworkConf", "neither a VPN nor a modem is here")
    said = data["securityProfile"], data["messageTimeout"], data["ocppCsmsUrl"]
    text = addresses.check("n", "%d %d %s" % said)
    if not text:
        why = "wanted: ws:// with profile 0 and 1, wss:// with 2 and 3; 1 to 600 s"
        return refused("Rejected", "InvalidNetworkConf", why)
    if not addresses.put(settings, number, text):
        return refused("Failed", "OutOfStorage", "the flash is full")  # (B09.FR.03)
    lazy.load("station.security").note(unit.station, RECONFIGURED, "network profile %d" % number)
    return {"status": "Accepted"}
