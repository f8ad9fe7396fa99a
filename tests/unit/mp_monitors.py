"""ocpp.v201: monitors see each crossing once, and outlive a reboot, a damaged file and a power
cut; faults that come and go are events; what nobody needs any more is not in RAM."""

import asyncio
import json
import sys

import flash
import world

from firmware import clock
from firmware.electrical import faults, pilot
from firmware.ocpp import outbox
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.v201 import monitoring


class Wlan:
    """network, and its WLAN."""

    IF_STA = 0

    def __init__(self, interface):
        pass

    def status(self, what):
        raise OSError("Wifi Not Connected")


Wlan.WLAN = Wlan
sys.modules["network"] = Wlan

HEAP = "1M"
BOTH = True
CHIP = True
FIXED = {"security": 0, "connectors": 2, "phase_switching": "false"}
IDENTITY = "Pilotwire", "unit", "1", "0", None, None
POWER, SECOND = "EVSE@1.Power", "EVSE@2.Power"
STATE = "Connector@1.AvailabilityState"
HEAT = "TemperatureSensor@1.Temperature"


class Config:
    id, url, password, networks = "CP1", ("ws://127.0.0.1/",), "", []
    protocols = ["ocpp2.0.1"]


class Rpc:
    size = answer_s = 0
    note = after = None


class Heat:
    temperature_dC = None


class Unit:
    """Two connectors, without a connection; `boot()` is a power cut."""

    def __init__(self, **stored):
        self.world = world.World(2)
        self.log = self.world.said.append
        self.settings = Configuration(FIXED, self.log, path="/flash/ocpp.json")
        self.settings.config = Config
        for name, value in stored.items():
            self.settings.put(name, value)
        self.start()

    def boot(self):
        self.world.boot()
        self.start()

    def start(self):
        w = self.world
        w.cs[0].heat = Heat()
        w.read_meters = True
        self.station = w.station
        self.rpc = Rpc()
        self.outbox = outbox.Outbox(w.station, self.rpc, self.settings, IDENTITY, "", self.log)
        w.ready(True)

    def run(self, awaitable):
        return asyncio.run(awaitable)

    def put(self, name, kind, value, severity=5, **more):
        """SetVariableMonitoring of one, 'Component@evse.Variable' -> its id, or why not."""
        component, _, variable = name.partition(".")
        component, _, number = component.partition("@")
        entry = {
            "type": kind,
            "value": value,
            "severity": severity,
            "component": {"name": component},
        }
        entry["variable"] = {"name": variable}
        if number:
            entry["component"]["evse"] = {"id": int(number)}
            if component == "Connector":
                entry["component"]["evse"]["connectorId"] = 1
        entry.update(more)
        pieces = self.run(monitoring.SetVariableMonitoring(self, {"setMonitoringData": [entry]}))
        (result,) = json.loads("".join(pieces()))["setMonitoringResult"]
        return result.get("id") or result["status"]

    def clear(self, id):
        answer = self.run(monitoring.ClearVariableMonitoring(self, {"id": [id]}))
        return answer["clearMonitoringResult"][0]["status"]

    def power(self, W, number=1):
        """The meter shows that, for a second; -> events()."""
        self.world.meters[number - 1].power_W = W
        return self.second()

    def second(self, n=1):
        for _ in range(n):
            self.world.poll(1000)
            if self.outbox.alerts:
                self.run(self.outbox.alerts.poll(1000))
        return self.events()

    def events(self):
        """What is to be told, as (monitor or fault, value, cleared), and is told."""
        out = []
        while self.outbox.alerts and self.outbox.alerts.queue:
            events, (action, made) = self.outbox.alerts.message()
            assert action == "NotifyEvent"
            self.data = json.loads("".join(made()))["eventData"]
            for e in self.data:
                of = e.get("variableMonitoringId", e.get("techCode"))
                out.append((of, e["actualValue"], e.get("cleared", False)))
            self.outbox.alerts.told(events)
        return out

    def list(self):
        alerts = self.outbox.alerts
        return [m.kept() for m in alerts.watched().list] if alerts else []


def test_an_upper_threshold_is_crossed():
    u = Unit()
    id = u.put(POWER, "UpperThreshold", 1000)
    assert u.power(1000) == []
    assert u.power(1001) == [(id, "1001", False)]
    assert u.data[0]["trigger"] == "Alerting"
    assert u.power(5000) == u.power(1001) == []
    assert u.power(1000) == [(id, "1000", True)]
    assert u.power(0) == []
    assert u.power(1001) == [(id, "1001", False)]


def test_a_lower_threshold_is_crossed():
    u = Unit()
    u.power(500)
    id = u.put(POWER, "LowerThreshold", 100.5)
    assert u.power(101) == []
    assert u.power(100) == [(id, "100", False)]
    assert u.power(0) == []
    assert u.power(101) == [(id, "101", True)]


def test_what_is_not_known_is_no_crossing():
    u = Unit()
    id = u.put(HEAT, "LowerThreshold", 5)
    assert u.second() == []
    u.station.connectors[0].heat.temperature_dC = 42
    assert u.second() == [(id, "4.2", False)]
    u.station.connectors[0].heat.temperature_dC = None
    assert u.second() == []
    u.station.connectors[0].heat.temperature_dC = 50
    assert u.second() == [(id, "5.0", True)]


def test_a_delta_counts_from_what_was_told():
    u = Unit()
    u.power(1000)
    id = u.put(POWER, "Delta", 100)
    assert u.power(1099) == u.power(901) == []
    assert u.power(900) == [(id, "900", False)]
    assert u.data[0]["trigger"] == "Delta"
    assert u.power(999) == []
    assert u.power(1000) == [(id, "1000", False)]


def test_a_delta_of_what_is_no_number():
    u = Unit()
    id = u.put(STATE, "Delta", 99)
    u.station.connectors[0].controller.state = pilot.B
    assert u.second() == [(id, "Occupied", False)]
    assert u.second() == []


def test_a_delta_of_a_setting():
    u = Unit()
    tenths = u.put("SmartChargingCtrlr.LimitChangeSignificance", "Delta", 0.5)
    words = u.put("TxCtrlr.TxStartPoint", "Delta", 1)
    secret = u.put("SecurityCtrlr.BasicAuthPassword", "Delta", 1)
    u.settings.put("significance_permille", "0.6")
    assert u.second() == []
    u.settings.put("significance_permille", "0.5")
    u.settings.put("tx_start", "Authorized")
    u.settings.put("password", ":0123456789abcdef")
    assert u.second() == [
        (tenths, "0.5", False),
        (words, "Authorized", False),
        (secret, "", False),
    ]
    assert u.second() == []


def test_periodic():
    u = Unit()
    u.power(7)
    id = u.put(POWER, "Periodic", 10)
    assert u.second(9) == []
    assert u.second() == [(id, "7", False)]
    assert u.second(9) == []
    assert u.second() == [(id, "7", False)]
    assert u.data[0]["trigger"] == "Periodic"


def test_aligned_with_the_clock():
    u = Unit()
    t = world.T0 + 3590
    u.world.told(t, 100)
    id = u.put(POWER, "PeriodicClockAligned", 900)
    assert u.second(9) == []
    (told,) = u.second(3)
    assert told[0] == id
    at_s = clock.parse_iso(u.data[0]["timestamp"])
    assert 0 <= at_s % 900 <= 1
    assert u.second(895) == []
    assert len(u.second(5)) == 1


def test_only_in_transactions():
    u = Unit()
    id = u.put(POWER, "UpperThreshold", 100, transaction=True)
    assert u.power(500) == []
    tx = u.world.charge()
    assert u.power(500) == [(id, "500", False)]
    assert u.data[0]["transactionId"] == tx.uuid
    u.world.stop(1, 3000)
    u.world.poll(2000)
    assert not u.station.connectors[0].tx
    assert u.power(500) == u.power(0) == []


def test_what_is_not_wanted_is_told_when_it_is():
    u = Unit()
    id = u.put(POWER, "UpperThreshold", 100, 6)
    u.settings.put("alert_level", 5)
    assert u.power(500) == []
    u.settings.put("alert_level", 6)
    assert u.second() == [(id, "500", False)]
    u.station.online = False
    assert u.power(0) == u.power(500) == u.power(0) == []
    u.settings.put("alert_offline", 6)
    assert u.second() == [(id, "0", True)]
    u.settings.put("alerts", False)
    assert u.power(500) == []


def test_what_waits_is_bounded():
    u = Unit(alert_offline=9)
    u.station.online = False
    mild = u.put(POWER, "Periodic", 1, 9)
    grave = u.put(STATE, "Periodic", 2, 3)
    for _ in range(100):
        u.world.poll(1000)
        u.run(u.outbox.alerts.poll(1000))
    told = [of for of, _, _ in u.events()]
    assert len(told) == 32
    assert told.count(grave) >= 31 and told.count(mild) <= 1


def test_over_a_reboot():
    """With which of them are exceeded: that it is over is told (N07.FR.14)."""
    u = Unit()
    id = u.put(POWER, "UpperThreshold", 1000)
    other = u.put(SECOND, "Delta", 5, 7, transaction=True)
    u.power(2000)
    kept = u.list()
    assert kept[0][-1] and len(kept) == 2
    u.boot()
    assert u.list() == kept
    assert u.power(2000) == []
    assert u.power(10) == [(id, "10", True)]
    assert u.put(POWER, "UpperThreshold", 1, 4) == other + 1


def test_nobody_pays_for_what_is_not_there():
    u = Unit()
    assert u.outbox.alerts is None
    id = u.put(POWER, "UpperThreshold", 1000)
    assert u.outbox.alerts and u.clear(id) == "Accepted"
    u.second()
    assert u.outbox.alerts is None
    u.boot()
    assert u.outbox.alerts is None
    assert u.put(POWER, "Delta", -1) == "Rejected"
    u.second()
    assert u.outbox.alerts is None


def test_a_damaged_file():
    u = Unit()
    u.put(POWER, "UpperThreshold", 1000)
    with open("/flash/auth/monitors", "rb") as f:
        good = f.read()
    for at in range(len(good)):
        for data in (good[:at], good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]):
            with open("/flash/auth/monitors", "wb") as f:
                f.write(data)
            u.boot()
            assert u.list() in ([], [[1, "EVSE Power", 1, 0, 5, 1000, False, False]])
            if u.list():  # (a digit of the check sum in the other case)
                assert data.lower() == good.lower()
    assert u.put(POWER, "UpperThreshold", 1000) == 1


def test_of_what_is_not_there_any_more():
    u = Unit()
    id = u.put(POWER, "UpperThreshold", 1000)
    u.put(HEAT, "UpperThreshold", 50)
    u.world.boot()
    u.station = u.world.station
    u.outbox = outbox.Outbox(u.station, u.rpc, u.settings, IDENTITY, "", u.log)
    assert [m[0] for m in u.list()] == [id]
    assert [line for line in u.world.said if "1 monitors" in line]


def test_a_power_cut_in_every_write():
    """Old or new; what was answered Accepted is there."""
    dies_at = 0
    while True:
        u = Unit()
        u.put(POWER, "UpperThreshold", 1000)
        old = u.list()
        chip = u.world.flash
        chip.on()
        chip.dies_at, chip.tear = dies_at, dies_at % 8
        answer = u.put(SECOND, "Delta", 5)
        cut = chip.dead
        chip.on()
        flash.mount(chip)
        u.boot()
        new = old + [[2, "EVSE Power", 2, 2, 5, 5, False, False]]
        assert u.list() in ((old, new) if answer == "Rejected" else (new,))
        if not cut:
            assert answer == 2
            return
        dies_at += 1


def test_a_fault_comes_and_goes():
    u = Unit()
    tx = u.world.charge()
    u.events()
    u.world.fault(faults.OVERVOLTAGE, 300)
    assert u.events() == [("OverVoltage", "true", False)]
    (told,) = u.data
    assert told["eventNotificationType"] == "HardWiredNotification"
    assert told["component"] == {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
    assert told["variable"] == {"name": "Problem"} and told["transactionId"] == tx.uuid
    u.world.fault(faults.NONE, 300)
    assert u.events() == [("OverVoltage", "false", True)]
    u.second()
    assert u.outbox.alerts is None


def test_a_graver_fault_hides_a_lesser_one():
    u = Unit()
    u.world.fault(faults.OVERHEATED, 300)
    u.world.fault(faults.DIODE, 300)
    assert u.events() == [("HighTemperature", "true", False), ("DiodeFault", "true", False)]
    u.world.fault(faults.OVERHEATED, 300)
    assert u.events() == [("DiodeFault", "true", True)]
    u.world.fault(faults.DIODE, 300)
    u.world.fault(faults.NONE, 300)
    assert u.events() == [
        ("DiodeFault", "true", False),
        ("HighTemperature", "false", True),
        ("DiodeFault", "false", True),
    ]


def test_a_fault_that_nobody_wanted_is_told_later():
    u = Unit(alert_offline=2)
    u.station.online = False
    u.world.fault(faults.DIODE, 300)
    u.world.fault(faults.INTERLOCK, 300)
    assert u.events() == [("Interlock", "true", False)]
    u.station.online = True
    u.world.fault(faults.DIODE, 300)
    assert u.events() == [("Interlock", "true", True), ("DiodeFault", "true", False)]
    u.station.tell(u.station.connectors[0], u.station.clock.now())
    assert u.events() == []
    u.station.tell(None, u.station.clock.now(), faults.LIST)
    assert u.events() == [("LocalListConflict", "false", False)]
    assert u.data[0]["component"] == {"name": "ChargingStation"}
    assert len(u.outbox.alerts.open) == 1
    assert sys.modules.get("firmware.ocpp.v201.alerts") is None
