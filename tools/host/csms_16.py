"""What the commands of tools/csms say in OCPP 1.6."""

from host.csms import V16, format_time


class Dialect16:
    """Each function gives a request, as (action, payload), or reads what was answered.

    Arguments are what a person has typed, whatever the language: connectors, tags, words.
    """

    language = V16
    certificates = {
        "central": "CentralSystemRootCertificate",
        "maker": "ManufacturerRootCertificate",
    }
    organization = "CpoName"  # the setting without which no certificate is asked for
    list_length = "SendLocalListMaxLength"
    list_version = "listVersion"

    # Charging profiles

    def clear(self, id=None, connector=None, purpose=None, level=None):
        names = "id", "connectorId", "chargingProfilePurpose", "stackLevel"
        if purpose == "ChargingStationMaxProfile":
            purpose = "ChargePointMaxProfile"
        return "ClearChargingProfile", given(names, (id, connector, purpose, level))

    def composite(self, connector, duration, unit):
        payload = {"connectorId": connector, "duration": duration}
        return "GetCompositeSchedule", payload | given(("chargingRateUnit",), (unit,))

    def schedule(self, answer):
        """-> (the charging schedule of GetCompositeSchedule.conf, when it begins), or None."""
        if "chargingSchedule" not in answer:
            return None
        return answer["chargingSchedule"], answer.get("scheduleStart")

    # Transactions

    def start(self, tag, connector, profile):
        names = "connectorId", "chargingProfile"
        return "RemoteStartTransaction", {"idTag": tag, **given(names, (connector, profile))}

    def stop(self, id):
        return "RemoteStopTransaction", {"transactionId": int(id)}

    # The station

    def reset(self, kind):
        return "Reset", {"type": {"onidle": "Soft", "immediate": "Hard"}.get(kind, kind.title())}

    def get_config(self, names):
        return "GetConfiguration", {"key": list(names)} if names else {}

    def config(self, answer):
        """-> ({name: (value, whether it is read only)}, the names that are not known)."""
        entries = {
            entry.get("key"): (entry.get("value", ""), bool(entry.get("readonly")))
            for entry in answer.get("configurationKey", ())
        }
        return entries, list(answer.get("unknownKey", ()))

    def set_config(self, name, value):
        return "ChangeConfiguration", {"key": name, "value": value}

    def status(self, answer):
        """What was answered to a request, as {"status": ...} with the reason for a refusal."""
        return answer

    def trigger(self, action, connector, extended=False):
        payload = {"requestedMessage": action, **given(("connectorId",), (connector,))}
        return "ExtendedTriggerMessage" if extended else "TriggerMessage", payload

    def unlock(self, connector):
        return "UnlockConnector", {"connectorId": connector}

    def availability(self, connector, kind):
        return "ChangeAvailability", {"connectorId": connector, "type": kind.capitalize()}

    # Who may charge

    def reserve(self, id, tag, end, connector, parent):
        payload = {"connectorId": connector, "expiryDate": format_time(end), "idTag": tag}
        payload |= {"reservationId": id, **given(("parentIdTag",), (parent,))}
        return "ReserveNow", payload

    def send_list(self, version, kind, entries):
        """entries: [(tag, status or None, {"until", "parent"})]."""
        tags = []
        for tag, status, more in entries:
            tags.append({"idTag": tag})
            if status:
                names = {"until": "expiryDate", "parent": "parentIdTag"}
                info = {names[name]: value for name, value in more.items()}
                tags[-1]["idTagInfo"] = {"status": status, **info}
        payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": tags}
        return "SendLocalList", payload

    # Files

    def update(self, id, location, when, install, signed, retries, pause_s):
        """signed: signingCertificate and signature, or nothing; install: a time, or None."""
        payload = {"retries": retries, "retryInterval": pause_s}
        if not signed:
            return "UpdateFirmware", {
                **payload, "location": location, "retrieveDate": format_time(when)
            }  # fmt: skip
        payload |= {"requestId": id, "firmware": firmware(location, when, install, signed)}
        return "SignedUpdateFirmware", payload

    # Certificates

    def renew(self):
        return self.trigger("SignChargePointCertificate", None, extended=True)

    def signed(self, chain, asked):
        """asked: the SignCertificate.req."""
        return "CertificateSigned", {"certificateChain": chain}

    def installed(self, kind):
        return "GetInstalledCertificateIds", {"certificateType": self.certificates[kind]}

    def hashes(self, answer):
        """-> the CertificateHashData of GetInstalledCertificateIds.conf."""
        return answer.get("certificateHashData", [])


def given(names, values):
    """{name: value} of the values that are there."""
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def firmware(location, when, install, signed):
    """The FirmwareType of both languages."""
    one = {"location": location, "retrieveDateTime": format_time(when), **signed}
    return one | ({"installDateTime": format_time(install)} if install else {})
