"""What the commands of tools/csms say in OCPP 2.0.1."""

import itertools

from host.csms import V16, V201, format_time
from host.csms_16 import Dialect16, firmware, given
from host.variables import format_variable, parse_variable

_TYPES = ("Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress")
_CARD = "ISO14443"  # a tag without a type is a card
# Words of 1.6 that people know -> those of 2.0.1.
_PURPOSES = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}
_TRIGGERS = {
    "DiagnosticsStatusNotification": "LogStatusNotification",
    "SignChargePointCertificate": "SignChargingStationCertificate",
}
_RESETS = {"soft": "OnIdle", "onidle": "OnIdle", "hard": "Immediate", "immediate": "Immediate"}


def token(text):
    """The idToken of a tag as people write it: TAG, of a card, or TYPE:TAG."""
    kind, colon, tag = text.partition(":")
    for one in _TYPES:
        if colon and kind.lower() == one.lower():
            return {"idToken": tag, "type": one}
    return {"idToken": text, "type": _CARD}


class Dialect201(Dialect16):
    """See Dialect16. A connector is an EVSE here, whose connector is 1."""

    language = V201
    certificates = {"central": "CSMSRootCertificate", "maker": "ManufacturerRootCertificate"}
    organization = "SecurityCtrlr.OrganizationName"
    list_length = "LocalAuthListCtrlr.ItemsPerMessage"
    list_version = "versionNumber"

    def __init__(self):
        self._starts = itertools.count(1)  # remoteStartIds

    # Charging profiles

    def criteria(self, purpose, level):
        """Those of ClearChargingProfile and GetChargingProfiles."""
        purpose = _PURPOSES.get(purpose, purpose)
        return given(("chargingProfilePurpose", "stackLevel"), (purpose, level))

    def clear(self, id=None, connector=None, purpose=None, level=None):
        payload = given(("chargingProfileId",), (id,))
        criteria = given(("evseId",), (connector,)) | self.criteria(purpose, level)
        return "ClearChargingProfile", payload | (
            {"chargingProfileCriteria": criteria} if criteria or not payload else {}
        )

    def composite(self, connector, duration, unit):
        payload = {"evseId": connector, "duration": duration}
        return "GetCompositeSchedule", payload | given(("chargingRateUnit",), (unit,))

    def schedule(self, answer):
        schedule = answer.get("schedule")
        return schedule and (schedule, schedule.get("scheduleStart"))

    # Transactions

    def start(self, tag, connector, profile):
        payload = {"idToken": token(tag), "remoteStartId": next(self._starts)}
        payload |= given(("evseId", "chargingProfile"), (connector, profile))
        return "RequestStartTransaction", payload

    def stop(self, id):
        return "RequestStopTransaction", {"transactionId": id}

    # The station

    def reset(self, kind):
        return "Reset", {"type": _RESETS.get(kind, kind.title())}

    def get_config(self, names):
        return "GetVariables", {"getVariableData": [parse_variable(name) for name in names]}

    def config(self, answer):
        known, unknown = {}, []
        for one in answer.get("getVariableResult", ()):
            status = self.status(one)["status"]
            if status == "Accepted":
                known[format_variable(one)] = (one.get("attributeValue", ""), False)
            else:
                unknown.append(f"{format_variable(one)} ({status})")
        return known, unknown

    def set_config(self, name, value):
        entry = {**parse_variable(name), "attributeValue": value}
        return "SetVariables", {"setVariableData": [entry]}

    def status(self, answer):
        for name in ("setVariableResult", "setMonitoringResult", "clearMonitoringResult"):
            answer = (answer.get(name) or [answer])[0]  # (one was asked for)
        info = answer.get("attributeStatusInfo", answer.get("statusInfo"))
        more = {"statusInfo": info} if info else {}
        return {"status": answer.get("attributeStatus", answer.get("status")), **more}

    def trigger(self, action, connector, extended=False):
        payload = {"requestedMessage": _TRIGGERS.get(action, action)}
        if connector is not None:
            payload["evse"] = {"id": connector, "connectorId": 1}
        return "TriggerMessage", payload

    def unlock(self, connector):
        return "UnlockConnector", {"evseId": connector, "connectorId": 1}

    def availability(self, connector, kind):
        evse = {"evse": {"id": connector}} if connector else {}
        return "ChangeAvailability", {"operationalStatus": kind.capitalize(), **evse}

    # Who may charge

    def reserve(self, id, tag, end, connector, parent):
        payload = {"id": id, "expiryDateTime": format_time(end), "idToken": token(tag)}
        payload |= {"evseId": connector} if connector else {}
        return "ReserveNow", payload | ({"groupIdToken": token(parent)} if parent else {})

    def send_list(self, version, kind, entries):
        tags = []
        for tag, status, more in entries:
            tags.append({"idToken": token(tag)})
            if status:
                info = tags[-1]["idTokenInfo"] = {"status": status}
                info |= given(("cacheExpiryDateTime",), (more.get("until"),))
                info |= {"groupIdToken": token(more["parent"])} if "parent" in more else {}
        payload = {"versionNumber": version, "updateType": kind}
        return "SendLocalList", payload | ({"localAuthorizationList": tags} if tags else {})

    # Files

    def update(self, id, location, when, install, signed, retries, pause_s):
        one = firmware(location, when, install, signed)
        payload = {"retries": retries, "retryInterval": pause_s}
        return "UpdateFirmware", {**payload, "requestId": id, "firmware": one}

    # Certificates

    def signed(self, chain, asked):
        kind = asked.get("certificateType", "ChargingStationCertificate")
        return "CertificateSigned", {"certificateChain": chain, "certificateType": kind}

    def installed(self, kind):
        return "GetInstalledCertificateIds", {"certificateType": [self.certificates[kind]]}

    def hashes(self, answer):
        chains = answer.get("certificateHashDataChain", ())
        return [chain["certificateHashData"] for chain in chains]


def dialects():
    """{Language: how it is spoken}."""
    return {V16: Dialect16(), V201: Dialect201()}
