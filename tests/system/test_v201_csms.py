"""tools/csms with a station that speaks OCPP 2.0.1: the same words, and some more."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_station import FakeStation, Tool
from test_v201_harness import BOOT, STATUS, T0, TOKEN, begun, event

from host import certs
from host.build import ROOT
from host.csms import V201
from host.process import StationProcess

SCHEDULE = {
    "evseId": 1,
    "duration": 86400,
    "scheduleStart": T0,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}, {"startPeriod": 9, "limit": 0}],
}
HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
WHY = {"reasonCode": "TxNotFound", "additionalInfo": "no such transaction runs"}
HASHES = {"hashAlgorithm": "SHA256", "issuerNameHash": "a" * 64, "issuerKeyHash": "b" * 64}
HASHES["serialNumber"] = "1f"
CHAIN = {"certificateType": "CSMSRootCertificate", "certificateHashData": HASHES}


def card(tag):
    return {"idToken": tag, "type": "ISO14443"}


def variables(payload):
    """An answer to GetVariables or SetVariables."""
    if "setVariableData" in payload:
        (one,) = payload["setVariableData"]
        one = {key: one[key] for key in ("component", "variable")}
        told = {"attributeStatus": "Rejected", "attributeStatusInfo": WHY}
        return {"setVariableResult": [{**one, **told}]}
    results = []
    for one in payload["getVariableData"]:
        known = one == HEARTBEAT or one["variable"]["name"] == "ItemsPerMessage"
        told = {"attributeStatus": "Accepted", "attributeValue": "2"}
        results.append({**one, **(told if known else {"attributeStatus": "UnknownVariable"})})
    return {"getVariableResult": results}


def monitored(payload):
    (one,) = payload["setMonitoringData"]
    one = {key: one[key] for key in ("type", "severity", "component", "variable")}
    return {"setMonitoringResult": [{**one, "id": 7, "status": "Accepted"}]}


ANSWERS = {
    "GetCompositeSchedule": {"status": "Accepted", "schedule": SCHEDULE},
    "GetVariables": variables,
    "SetVariables": variables,
    "SetVariableMonitoring": monitored,
    "ClearVariableMonitoring": {"clearMonitoringResult": [{"id": 7, "status": "NotFound"}]},
    "GetTransactionStatus": {"ongoingIndicator": True, "messagesInQueue": False},
    "GetLocalListVersion": {"versionNumber": 4},
    "UnlockConnector": {"status": "Unlocked"},
    "CostUpdated": {},
    "GetInstalledCertificateIds": {"status": "Accepted", "certificateHashDataChain": [CHAIN]},
    "GetBaseReport": {"status": "NotSupported", "statusInfo": WHY},
    "CancelReservation": {"status": "Rejected"},
}
OK = ": Accepted"
COMMANDS = [
    # command, request, its payload (None: any), the end of a line of the output
    ("profile daily-default", "SetChargingProfile", None, OK),
    ("profile station-max-16A.json 0", "SetChargingProfile", None, OK),
    ("profile tx-quarter-hours", "SetChargingProfile", None, OK),
    ("clear", "ClearChargingProfile", {"chargingProfileCriteria": {}}, OK),
    ("clear id=1", "ClearChargingProfile", {"chargingProfileId": 1}, OK),
    (
        "clear connector=0 purpose=ChargePointMaxProfile level=3",
        "ClearChargingProfile",
        {
            "chargingProfileCriteria": {
                "evseId": 0,
                "chargingProfilePurpose": "ChargingStationMaxProfile",
                "stackLevel": 3,
            }
        },
        OK,
    ),
    (
        "composite 1 86400 a",
        "GetCompositeSchedule",
        {"evseId": 1, "duration": 86400, "chargingRateUnit": "A"},
        "16.1 A      |########################################",
    ),
    ("remote-start T", "RequestStartTransaction", {"idToken": card("T"), "remoteStartId": 1}, OK),
    (
        "remote-start central:T 2",
        "RequestStartTransaction",
        {"idToken": {"idToken": "T", "type": "Central"}, "evseId": 2, "remoteStartId": 2},
        OK,
    ),
    ("remote-start T 1 profile tx-quarter-hours", "RequestStartTransaction", None, OK),
    ("remote-stop", "RequestStopTransaction", {"transactionId": "T-1"}, OK),
    ("remote-stop T-", "RequestStopTransaction", {"transactionId": "T-1"}, OK),
    ("remote-stop other", "RequestStopTransaction", {"transactionId": "other"}, OK),
    ("reset soft", "Reset", {"type": "OnIdle"}, OK),
    ("reset immediate", "Reset", {"type": "Immediate"}, OK),
    (
        "get-config OCPPCommCtrlr.HeartbeatInterval",
        "GetVariables",
        {"getVariableData": [HEARTBEAT]},
        "OCPPCommCtrlr.HeartbeatInterval = 2",
    ),
    ("get-config EVSE@1.Power", "GetVariables", None, "unknown: EVSE@1.Power (UnknownVariable)"),
    ("get-config", "GetBaseReport", None, "NotSupported (TxNotFound: no such transaction runs)"),
    (
        "set-config OCPPCommCtrlr.HeartbeatInterval 5",
        "SetVariables",
        {"setVariableData": [{**HEARTBEAT, "attributeValue": "5"}]},
        "SetVariables: Rejected (TxNotFound: no such transaction runs)",
    ),
    (
        "trigger StatusNotification 1",
        "TriggerMessage",
        {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
        OK,
    ),
    ("extended-trigger Heartbeat", "TriggerMessage", {"requestedMessage": "Heartbeat"}, OK),
    ("unlock 1", "UnlockConnector", {"evseId": 1, "connectorId": 1}, ": Unlocked"),
    (
        "availability 0 inoperative",
        "ChangeAvailability",
        {"operationalStatus": "Inoperative"},
        OK,
    ),
    (
        "availability 1 Operative",
        "ChangeAvailability",
        {"operationalStatus": "Operative", "evse": {"id": 1}},
        OK,
    ),
    ("clear-cache", "ClearCache", {}, OK),
    ("update daily-default.json", "UpdateFirmware", None, "/daily-default.json"),
    ("list-version", "GetLocalListVersion", {}, "GetLocalListVersion: 4"),
    ("reserve T 5", "ReserveNow", None, OK),
    ("reserve T 0.5 0 id=9 parent=P", "ReserveNow", None, OK),
    ("cancel-reservation 9", "CancelReservation", {"reservationId": 9}, ": Rejected"),
    ("renew-certificate", "TriggerMessage", None, "nobody signs it here: sign"),
    (
        "certificates",
        "GetInstalledCertificateIds",
        {"certificateType": ["CSMSRootCertificate"]},
        "aaaa bbbbbbbbbbbbbbbb  serial number 1f",
    ),
    ("delete-certificate 1", "DeleteCertificate", {"certificateHashData": HASHES}, OK),
    (
        "monitor EVSE@1.Power upper 7000 severity=4",
        "SetVariableMonitoring",
        {"setMonitoringData": [{**POWER, "type": "UpperThreshold", "value": 7000, "severity": 4}]},
        "SetVariableMonitoring: Accepted, id 7",
    ),
    ("clear-monitor 7", "ClearVariableMonitoring", {"id": [7]}, ": NotFound"),
    ("monitoring-base hardwired", "SetMonitoringBase", {"monitoringBase": "HardWiredOnly"}, OK),
    ("monitoring-level 4", "SetMonitoringLevel", {"severity": 4}, OK),
    ("network-profile 1 ws://h/ocpp security=1", "SetNetworkProfile", None, OK),
    (
        "transaction-status T",
        "GetTransactionStatus",
        {"transactionId": "T-1"},
        "it runs, no message",
    ),
    ("cost 1.5", "CostUpdated", {"totalCost": 1.5, "transactionId": "T-1"}, "CostUpdated.conf {}"),
    (
        'call Reset {"type": "OnIdle"}',
        "Reset",
        {"type": "OnIdle"},
        'Reset: {"status": "Accepted"}',
    ),
]
ERRORS = [
    ("reset softly", "'Softly' is not one of"),
    ("get-config HeartbeatInterval", "'HeartbeatInterval' is not COMPONENT.VARIABLE, like"),
    ("remote-start T 1 profile daily-default", "takes a TxProfile only"),
    ("monitor EVSE@1.Power above 5", "usage: monitor NAME upper|lower|"),
    ("monitor EVSE@1.Power upper x", "'x' is not a number"),
    ("customer T print", "usage: customer TAG [report] [clear]"),
    ("events X", "there is no such transaction"),
    ("call GetConfiguration", "OCPP 2.0.1 has no action 'GetConfiguration'"),
]


async def test_every_command():
    async with Tool() as tool, FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
        fake.answers.update(ANSWERS)
        await fake.call("BootNotification", BOOT)
        await fake.call("StatusNotification", STATUS)
        await fake.call("TransactionEvent", begun("T-1", idToken=TOKEN))
        for command, action, payload, output in COMMANDS:
            tool.type(command)
            asked = await fake.request()
            assert asked[0] == action, command
            assert V201.schema_errors(*asked) == [], command
            assert payload in (None, asked[1]), command
            await tool.until(action + output if output[0] == ":" else output)
        for command, error in ERRORS:
            tool.type(command)
            await tool.until(error)
        tool.type("station")
        await tool.until("CP1  Fake  ocpp2.0.1  1 Available")
        assert not any("!!" in line for line in tool.seen)


async def test_transactions_are_shown():
    async with Tool() as tool, FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
        await fake.call("BootNotification", BOOT)

        def register(value, **unit):
            sample = {"value": value, **({"unitOfMeasure": unit} if unit else {})}
            return [{"timestamp": T0, "sampledValue": [sample]}]

        one = begun("T-12345678", idToken=TOKEN, trigger="Authorized", meterValue=register(1000))
        await fake.call("TransactionEvent", one)
        await tool.until("<- TransactionEvent 0 Started: Authorized, EVSE 1, TAG, 1000 Wh {")
        more = {"info": {"chargingState": "Charging"}, "offline": True}
        more["meterValue"] = register(1.5, unit="kWh")
        await fake.call("TransactionEvent", event(1, id="T-12345678", **more))
        await tool.until("1 Updated: Trigger, Charging, 1.5 kWh, offline {")
        tool.type("sessions")
        line = await tool.until("TAG")
        assert line.split()[:4] == ["T-123456", "CP1", "1", "TAG"] and line.endswith("0.500  runs")
        more = {"info": {"stoppedReason": "Remote"}, "meterValue": register(3, multiplier=3)}
        await fake.call("TransactionEvent", event(2, "Ended", "T-12345678", **more))
        tool.type("sessions")
        assert " 2.000  stopped" in await tool.until("(Remote)")
        tool.type("events T-1")
        await tool.until("transaction T-12345678")
        await tool.until("0 Started: Authorized, EVSE 1, TAG, 1000 Wh")
        await tool.until("2 Ended: Trigger, Remote, 3e3 Wh")
        await fake.send("TransactionEvent", {"meterValue": [1], "evse": 1})
        await tool.until('<- TransactionEvent {"meterValue":[1],"evse":1}')


async def test_reports_come_in_pieces():
    async with Tool() as tool, FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
        await fake.call("BootNotification", BOOT)

        async def pieces(action, field, *values, **more):
            id = (await fake.request())[1]["requestId"]
            for number, value in enumerate(values):
                piece = {"requestId": id, field: value, "tbc": number < len(values) - 1, **more}
                if action != "ReportChargingProfiles":
                    piece |= {"seqNo": number, "generatedAt": T0}
                await fake.call(action, piece)

        attribute = {"value": "60", "mutability": "ReadOnly"}
        one = {**HEARTBEAT, "variableAttribute": [attribute]}
        both = [{"type": "Actual", "value": "1"}, {"type": "MaxSet"}]
        for command in ("report summary", "get-config", "report EVSE@1 problem A.B"):
            tool.type(command)
            other = {**POWER, "variableAttribute": both}
            await pieces("NotifyReport", "reportData", [one], [other])
            await tool.until("OCPPCommCtrlr.HeartbeatInterval = 60  (read only)")
            await tool.until("EVSE@1.Power = 1")
            await tool.until("EVSE@1.Power/MaxSet = ")
        monitor = {"id": 3, "transaction": False, "value": 7000, "type": "Delta", "severity": 2}
        tool.type("monitors delta")
        told = [{**POWER, "variableMonitoring": [monitor]}]
        await pieces("NotifyMonitoringReport", "monitor", told)
        await tool.until("   3  EVSE@1.Power  Delta 7000, severity 2")
        tool.type("customer Central:T clear report")
        await pieces("NotifyCustomerInformation", "data", "T was", " here\n")
        await tool.until("T was here")
        schedule = {key: SCHEDULE[key] for key in ("chargingRateUnit", "chargingSchedulePeriod")}
        profile = {"id": 5, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile"}
        profile |= {"chargingProfileKind": "Relative", "chargingSchedule": [{"id": 1, **schedule}]}
        more = {"chargingLimitSource": "CSO", "evseId": 1}
        tool.type("get-profiles purpose=TxDefaultProfile source=CSO")
        await pieces("ReportChargingProfiles", "chargingProfile", [profile], [profile], **more)
        await tool.until("#5 EVSE 1, CSO: TxDefaultProfile level 1 Relative")
        await tool.until("16.1 A      |####")
        tool.type("quit")
        assert await tool.end() == 0
        assert not any("!!" in line for line in tool.seen)


async def test_lists_logs_and_certificates(tmp_path):
    path = tmp_path / "tags.txt"
    path.write_text(
        "A accepted until=2030-01-01T00:00:00Z parent=P\nCentral:B NoCredit\nC Expired"
    )
    certs.make(tmp_path)
    async with Tool() as tool, FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
        fake.answers.update(ANSWERS)
        await fake.call("BootNotification", BOOT)
        tool.type(f"send-list {path}")
        asked = [await fake.request() for _ in range(4)]
        assert all(V201.schema_errors(*one) == [] for one in asked)
        first, second = asked[2][1], asked[3][1]
        assert (first["versionNumber"], first["updateType"]) == (5, "Full")
        assert (second["versionNumber"], second["updateType"]) == (6, "Differential")
        info = {"status": "Accepted", "cacheExpiryDateTime": "2030-01-01T00:00:00Z"}
        assert first["localAuthorizationList"] == [
            {"idToken": card("A"), "idTokenInfo": {**info, "groupIdToken": card("P")}},
            {
                "idToken": {"idToken": "B", "type": "Central"},
                "idTokenInfo": {"status": "NoCredit"},
            },
        ]
        await tool.until(", 1 tags: Accepted")
        for command, kind in (("diagnostics ftp://h/x", "Diagnostics"), ("log", "Diagnostics")):
            tool.type(command)
            action, payload = await fake.request()
            assert (action, payload["logType"]) == ("GetLog", f"{kind}Log")
            status = {"status": "Uploaded", "requestId": payload["requestId"]}
            await fake.call("LogStatusNotification", status)
            await tool.until("Uploaded: ")
        tool.type(f"sign {tmp_path}")
        await tool.until("SignCertificate is answered")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP1")])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name)
        csr = csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        csr = csr.public_bytes(serialization.Encoding.PEM).decode()
        asked = {"csr": csr, "certificateType": "V2GCertificate"}
        assert await fake.call("SignCertificate", asked) == {"status": "Accepted"}
        action, payload = await fake.request()
        assert (action, payload["certificateType"]) == ("CertificateSigned", "V2GCertificate")
        await tool.until("CertificateSigned: CP1: Accepted")
        tool.type(f"install-certificate {tmp_path}/ca.pem central")
        action, payload = await fake.request()
        assert payload["certificateType"] == "CSMSRootCertificate"
        await tool.until("InstallCertificate: Accepted")


async def test_the_tour():
    """The example script, with a station that does what it is asked."""
    script = ROOT / "tools/examples/tour-2.0.1.txt"
    words = "--script", str(script), "--no-prompt", "--ocpp", V201.version
    async with Tool(*words) as tool:
        async with FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
            told = {"attributeStatus": "Accepted", "attributeValue": "2"}
            fake.answers.update(ANSWERS)
            fake.answers["GetVariables"] = lambda p: {
                "getVariableResult": [{**one, **told} for one in p["getVariableData"]]
            }
            await fake.call("BootNotification", BOOT)
            await fake.call("StatusNotification", STATUS)
            asked, installed = [], {}
            while asked[-1:] != ["ClearChargingProfile"] or len(asked) < 5:
                action, payload = await fake.request()
                asked.append(action)
                if action == "RequestStartTransaction":
                    await fake.call("TransactionEvent", begun(idToken=TOKEN))
                elif action == "SetChargingProfile":
                    installed[payload["evseId"]] = payload["chargingProfile"]
                elif action == "GetChargingProfiles":
                    report = {"requestId": payload["requestId"], "chargingLimitSource": "CSO"}
                    report |= {"evseId": 1, "chargingProfile": [installed[1]]}
                    await fake.call("ReportChargingProfiles", report)
                elif action == "TriggerMessage":
                    await fake.call("TransactionEvent", event(1, trigger="Trigger"))
                elif action == "RequestStopTransaction":
                    more = {"trigger": "RemoteStop", "info": {"stoppedReason": "Remote"}}
                    await fake.call("TransactionEvent", event(2, "Ended", **more))
            assert await tool.end() == 0, tool.seen
    assert asked.count("SetChargingProfile") == 3 and installed[1]["transactionId"] == "T"
    assert any("2 Ended: RemoteStop, Remote" in line for line in tool.seen)
    assert any("TxProfile level" in line for line in tool.seen)
    assert not any("!!" in line for line in tool.seen)


# What a person types -> how a line of the answer ends; with a station that is none of a test.
TYPED = (
    ("monitor", "upper|lower|delta|periodic|aligned VALUE [severity=N] [id=N]"),
    ("monitor EVSE@1.Power above 100", "VALUE [severity=N] [id=N]"),
    ("monitor EVSE@1.Power upper lots", "'lots' is not a number"),
    ("monitor EVSE@1.Power upper nan", "'nan' is not a number"),
    ("monitor EVSE@1 delta 1", "is not COMPONENT.VARIABLE, like OCPPCommCtrlr.HeartbeatInterval"),
    ("monitor EVSE.Power upper 100", "UnknownComponent (NotFound: there is no such one)"),
    ("monitor evse@1.power upper 100", "SetVariableMonitoring: Accepted, id 1"),
    ("monitor EVSE@1.Power upper 100", "Duplicate (InvalidValue: 1 is of that type and severity)"),
    ("monitor EVSE@1.Power upper 100 severity=12", "(ValueOutOfRange: a severity is 0 to 9)"),
    ("monitor EVSE@1.AvailabilityState upper 1", "Param: a monitor that it cannot have)"),
    ("monitor EVSE@1.AvailabilityState delta 1 severity=4", "Accepted, id 2"),
    ("monitors", "   2  EVSE@1.AvailabilityState  Delta 1, severity 4"),
    ("monitors threshold", "   1  EVSE@1.Power  UpperThreshold 100, severity 5"),
    ("monitors EVSE@2", "EmptyResultSet (NotFound: no monitor is what was asked for)"),
    ("clear-monitor x", "id must be a whole number, not 'x'"),
    ("clear-monitor 99", "NotFound (NotFound: no monitor has that id)"),
    ("clear-monitor 1", "ClearVariableMonitoring: Accepted"),
    ("monitoring-level 10", "Rejected (ValueOutOfRange: a severity is 0 to 9)"),
    ("monitoring-level 4", "SetMonitoringLevel: Accepted"),
    ("monitoring-base some", "usage: monitoring-base all|factory|hardwired"),
    ("monitoring-base all", "SetMonitoringBase: Accepted"),
    ("cost inf", "'inf' is not a number"),
)  # fmt: skip


async def test_what_a_person_types_of_monitors(tmp_path, micropython):
    """And what has changed is told by itself."""
    async with Tool("--ocpp", "2.0.1") as tool:
        station = StationProcess(tmp_path, "--url", tool.url, "--id", "CP1", "--speed", "20")
        await station.start()
        try:
            await tool.until("<- StatusNotification")
            for line, said in TYPED:
                tool.type(line)
                assert (await tool.until(said)).endswith(said)
            await station.do("plug")
            await tool.until('"actualValue":"Occupied"')
        finally:
            station.kill()
            await station.ended()


async def test_what_is_waited_for_is_said():
    async with Tool() as tool, FakeStation(tool.url, protocols=(V201.protocol,)) as fake:
        fake.answers["ClearCache"] = None
        await fake.call("BootNotification", BOOT)
        tool.type("clear-cache")
        await tool.until("(waiting for the answer to ClearCache, 26 s more at most)")
