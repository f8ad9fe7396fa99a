# Builds the unit from its configuration and wires it up. Runs once at boot and is then forgotten
# (app.main), so that it costs no heap.

import machine

from firmware import log
from firmware.app import VERSION, App
from firmware.charging import limits, profile, store
from firmware.charging.schedule import Evaluator
from firmware.clock import Clock
from firmware.config import ConfigError
from firmware.drivers import outputs, sdm630
from firmware.drivers.pilot_line import PilotLine
from firmware.evse.controller import Controller
from firmware.ocpp.configuration import MAX_KEYS, Configuration
from firmware.ocpp.link import Link
from firmware.ocpp.rpc import Rpc
from firmware.ocpp.v16.core import Core
from firmware.ocpp.v16.smart_charging import SmartCharging
from firmware.session.connector import Connector
from firmware.session.journal import Journal
from firmware.session.policy import Policy
from firmware.session.station import Station
from firmware.session.transaction import Folder


def build(config):
    """The App of a checked Config. Raises ConfigError where board and configuration disagree."""
    try:
        board = __import__("firmware.boards." + config.board, None, None, ("CONNECTORS",))
    except ImportError:
        raise ConfigError("config.json: board: there is no " + config.board)
    if config.connectors > len(board.CONNECTORS):
        raise ConfigError(
            "config.json: connectors: %s has %d" % (config.board, len(board.CONNECTORS))
        )
    log.level = config.log
    fixed = {
        "ChargeProfileMaxStackLevel": profile.MAX_LEVEL,
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
        "ChargingScheduleMaxPeriods": profile.MAX_PERIODS,
        "ConnectorSwitch3to1PhaseSupported": "false",
        "GetConfigurationMaxKeys": MAX_KEYS,
        "MaxChargingProfilesInstalled": store.MAX_PROFILES,
        "NumberOfConnectors": config.connectors,
        "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
    }
    app = App(config, Configuration(fixed, log.warning), Clock(machine.RTC()))
    journal = Journal(Folder("/tx", log.error))
    connectors = _connectors(app, board, journal)
    profiles = store.Store("/profiles", log.error)
    app.station = Station(
        app.clock,
        connectors,
        profiles,
        Evaluator(profiles, config.voltage_V),
        journal,
        app.settings.value,
        log.info,
        Policy(log.warning),
        _held(config),
    )
    rpc = Rpc(app.handle, log.info)
    identity = {
        "chargePointVendor": config.vendor,
        "chargePointModel": config.model,
        "firmwareVersion": VERSION,
    }
    if config.serial:
        identity["chargePointSerialNumber"] = config.serial
    smart = SmartCharging(app.station, log.info)
    app.core = Core(app.station, rpc, app.settings, identity, smart, app.reset, log.info)
    app.link = Link(config, rpc, app.settings.value, log.info)
    app.link.talk = app.core.talk
    return app


def _held(config):
    if not config.hold_limit:
        return None
    from firmware.session.held import Held

    return Held("/held.json", config.connectors, log.warning)


def _connectors(app, board, journal):
    config = app.config
    bus = sdm630.Bus(**board.METER_UART)
    out = []
    for number, pins in enumerate(board.CONNECTORS[: config.connectors], 1):
        zero_uV, per_V_uV = board.SENSE_ZERO_uV, board.SENSE_PER_V_uV
        app.lines.append(PilotLine(pins["pilot"], pins["sense"], zero_uV, per_V_uV))
        app.contactors.append(outputs.Contactor(pins["contactor"]))
        meter = sdm630.Meter(bus, pins["meter"])
        app.meters.append(meter)
        slots = limits.Limits(min(board.MAX_mA, config.max_mA))
        if config.installation_mA:
            slots.put(limits.INSTALLATION, config.installation_mA)
        out.append(Connector(number, Controller(), slots, meter, journal))
    return out
