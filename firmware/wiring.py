# Builds the unit from its configuration and wires it up. Runs once at boot and is then forgotten
# (app.main), so that it costs no heap.

import machine
from binascii import hexlify

from firmware import lazy, log, start
from firmware.app import App
from firmware.charging import limits, store
from firmware.charging.schedule import Evaluator
from firmware.clock import Clock
from firmware.config import Config, ConfigError
from firmware.drivers import outputs
from firmware.drivers.pilot_line import PilotLine
from firmware.electrical import faults
from firmware.electrical.controller import Controller
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.link import Link
from firmware.ocpp.rpc import Rpc
from firmware.ocpp.v16.core import Core
from firmware.ocpp.v16.smart_charging import SmartCharging
from firmware.station import metering
from firmware.station.connector import Connector
from firmware.station.journal import Journal
from firmware.station.kept import Kept
from firmware.station.station import Station
from firmware.station.transaction import Folder
from firmware.unit import Unit
from firmware.version import VERSION


def build(config):
    """The App of a checked Config. Raises ConfigError where board and configuration disagree."""
    try:
        board = __import__("firmware.boards." + config.board, None, None, ("CONNECTORS",))
    except ImportError:
        raise ConfigError("config.json: board: there is no " + config.board)
    _check(board)
    if config.connectors > len(board.CONNECTORS):
        raise ConfigError(
            "config.json: connectors: %s has %d" % (config.board, len(board.CONNECTORS))
        )
    log.level = config.log
    fixed = {
        "ConnectorSwitch3to1PhaseSupported": str("phases" in board.CONNECTORS[0]).lower(),
        "NumberOfConnectors": config.connectors,
        "SecurityProfile": config.security_profile,
        "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
    }
    app = App(config, Clock(machine.RTC(), "/last_time"))
    journal = Journal(Folder("/tx", log.error), "/samples")
    connectors = _connectors(app, board, journal)
    latches = Kept("/latched.json", log.warning)
    for number in latches.numbers:
        _latch(app.units, number >> 8, number & 0xFF)
    if not any([c.lock for c in connectors]):  # (errata 3.84)
        fixed["UnlockConnectorOnEVSideDisconnect"] = False
    measurands = 0
    for c in connectors:
        measurands |= metering.gives(c)
    app.settings = Configuration(fixed, log.warning, measurands)
    _check_url(config, app.settings.value("security"))
    profiles = store.Store("/profiles", log.error)
    app.station = Station(
        app.clock,
        connectors,
        profiles,
        Evaluator(profiles, config.voltage_V),
        journal,
        app.settings.value,
        log.info,
        _policy(config, connectors),
        _held(config),
        Kept("/availability.json", log.warning),
        latches,
    )
    app.rpc = rpc = Rpc(app.handle, log.info)
    identity = {
        "chargePointVendor": config.vendor,
        "chargePointModel": config.model,
        "firmwareVersion": VERSION,
    }
    identity["chargePointSerialNumber"] = config.serial or hexlify(machine.unique_id()).decode()
    if any(["meter" in pins for pins in board.CONNECTORS[: config.connectors]]):
        identity["meterType"] = getattr(board, "METER", "sdm630").upper()
    smart = SmartCharging(app.station, log.info)
    app.core = Core(app.station, rpc, app.settings, identity, smart, app.reset, log.info)
    app.config = app.settings.config = _kept(config)
    app.link = Link(app.config, rpc, app.settings, app.clock, log.info)
    app.link.talk = app.core.talk
    app.link.ready = app.core.ready  # (a lambda of here would keep all of this module)
    app.core.close = app.link.close
    app.core.info = start.last
    app.station.plug_tag = config.plug_and_charge
    app.station.start_delay_s = config.start_delay_s
    if machine.reset_cause() == machine.PWRON_RESET:
        for c in connectors:
            app.station.delay(c)
    app.reader = _reader(board)
    return app


def _kept(config):
    # What is needed after the start: 120 bytes less than all of it.
    kept = Config()
    names = "board country dns hostname id ip networks ntp password url watchdog_s"
    for name in names.split(" "):
        setattr(kept, name, getattr(config, name))
    return kept


def _check(board):
    # 9 KB that nothing needs afterwards
    try:
        lazy.load("check_board").check(board)
    except ValueError as e:
        raise ConfigError(str(e))


def _check_url(config, profile):
    if not lazy.load("ocpp.security").addresses(config, profile):
        raise ConfigError(
            "config.json: url: none for SecurityProfile %d: 0 and 1 dial ws://, 2 and 3 wss://"
            % profile
        )


def _latch(units, number, fault):
    # What waited for a person before the reset still does.
    if number <= len(units):
        unit = units[number - 1]
        part = unit.mirror if fault == faults.WELDED else unit.residual
        if part:
            part.fault = fault


def _policy(config, connectors):
    # Of owners without rules of their own not even the code that would ask for them is kept.
    rules = lazy.load("station.policy").Policy(log.warning, config.policy_broken_mA)
    if rules.fault or hasattr(rules.module, "local_limit"):
        for c in connectors:  # until its first word
            c.limits.put(limits.POLICY, rules.limit_mA)
    return rules if rules.fault or rules.module else None


def _held(config):
    if not config.hold_limit:
        return None
    from firmware.station.held import Held

    return Held("/held.json", config.connectors, log.warning)


# Part of electrical/ and its driver in drivers/, by the board's name for it: modules of that name.
_PARTS = (
    ("proximity", "Proximity", "ProximityLine"),
    ("residual", "Residual", "ResidualSensor"),
    ("mirror", "Mirror", "MirrorContact"),
    ("lock", "Lock", "LockMotor"),
    ("phases", "Phases", "PhaseRelay"),
)
_SENSORS = (("ntc", "Ntc"), ("mcp9700", "Mcp9700"), ("ds18b20", "Ds18b20"))


def _connectors(app, board, journal):
    config = app.config
    meters = _meters(board)
    power_cut = machine.reset_cause() == machine.PWRON_RESET
    out = []
    for number, pins in enumerate(board.CONNECTORS[: config.connectors], 1):
        unit = Unit(_line(board, pins), outputs.Contactor(pins["contactor"]), meters(pins))
        controller = Controller(_parts(unit, pins, config), power_cut, _sees_f(pins))
        controller.wake = config.wake
        controller.ventilation = config.ventilation
        slots = limits.Limits(min(board.MAX_mA, config.max_mA))
        if config.installation_mA:
            slots.put(limits.INSTALLATION, config.installation_mA)
        c = Connector(number, controller, slots, unit.meter, journal)
        c.lock, c.proximity = unit.lock, unit.proximity
        c.parts = [part for part in (unit.proximity, unit.residual, unit.lock) if part]
        unit.meter.moved = c.moved
        c.heat = unit.derating
        c.resumes = config.resume or machine.reset_cause() != machine.PWRON_RESET
        if "led" in pins:
            unit.devices.append(_class("drivers.status_led", "StatusLed")(c, **pins["led"]))
        if "button" in pins:
            unit.button = _class("drivers.button", "Button")(**pins["button"])
            unit.devices.append(unit.button)
        app.units.append(unit)
        out.append(c)
    return out


def _class(module, name):
    return getattr(__import__("firmware." + module, None, None, (name,)), name)


def _line(board, pins):
    # The pilot: sampled in bursts, through a curve, or behind peak detectors.
    if "peak" in pins:
        calibration = board.SENSE_ZERO_uV, board.SENSE_PER_V_uV
        peak = dict(pins["peak"])
        low = peak.pop("low")
        peak = {"low_" + key: value for key, value in peak.items()}
        line = _class("drivers.peak_line", "PeakLine")
        return line(pins["pilot"], pins["sense"], low, *calibration, **peak)
    if hasattr(board, "SENSE_CURVE"):
        line = _class("drivers.curved_line", "CurvedLine")
        return line(pins["pilot"], pins["sense"], board.SENSE_CURVE)
    return PilotLine(pins["pilot"], pins["sense"], board.SENSE_ZERO_uV, board.SENSE_PER_V_uV)


def _sees_f(pins):
    # Can the line measure the steady -12 V? (A detector of the high level alone cannot.)
    return "peak" not in pins


def _meters(board):
    # A function that makes the meter of a connector.
    bus = None
    if hasattr(board, "METER_UART"):
        from firmware.drivers.modbus import Bus

        bus = Bus(**board.METER_UART)
    kind = getattr(board, "METER", "sdm630")

    def meter(pins):
        if "s0" in pins:
            path = "/s0.%d" % pins["s0"]["pin"]
            return _class("drivers.s0", "Meter")(path=path, **pins["s0"])
        if "meter" not in pins:
            return _class("drivers.no_meter", "Meter")()
        if kind == "pzem":
            made = _class("drivers.pzem", "Meter")(bus, pins["meter"])
        else:
            eastron = _class("drivers.eastron", "Meter")
            made = eastron(bus, pins["meter"], 1 if kind == "sdm120" else 3)
        made.step_Wh = getattr(board, "METER_STEP_Wh", 0)
        return made

    return meter


def _parts(unit, pins, config):
    parts = []
    for key, part, driver in _PARTS:
        if key in pins:
            part = _class("electrical." + key, part)
            part = part("test" in pins[key]) if key == "residual" else part()
            parts.append(part)
            unit.devices.append(_class("drivers." + key, driver)(part, **pins[key]))
            setattr(unit, key, part)
    for key, driver in _SENSORS:
        if key in pins:
            unit.derating = _class("electrical.derating", "Derating")()
            parts.append(unit.derating)
            unit.devices.append(_class("drivers." + key, driver)(unit.derating, **pins[key]))
    if "meter" in pins:
        unit.overcurrent = _class("electrical.overcurrent", "Overcurrent")(config.meter_lost_mA)
        unit.supply = _class("electrical.supply", "Supply")(config.voltage_V)
        parts += unit.overcurrent, unit.supply
    return tuple(parts)


def _reader(board):
    if hasattr(board, "RC522"):
        return _class("drivers.rc522", "Reader")(**board.RC522)
    if hasattr(board, "PN532"):
        return _class("drivers.pn532", "Reader")(**board.PN532)
    return None
