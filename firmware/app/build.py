"""Builds the unit at boot from its configuration, and is forgotten (start.py): 4 KB of heap."""

import machine
import os
from binascii import hexlify

from firmware import fitting, lazy, log
from firmware.app.tasks import App
from firmware.charging import limits, store
from firmware.charging.schedule import Evaluator
from firmware.clock import Clock
from firmware.config import Config, ConfigError, load
from firmware.electrical import faults
from firmware.network import wifi
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.link import Link
from firmware.ocpp.outbox import Outbox
from firmware.ocpp.requests import Requests
from firmware.ocpp.rpc import Rpc
from firmware.station import metering
from firmware.station.connector import Connector
from firmware.station.kept import Kept
from firmware.station.security import NO_MEMORY, RESET, STARTED
from firmware.station.sharing import Sharing
from firmware.station.station import Station
from firmware.storage.journal import Journal
from firmware.storage.transactions import Folder


def start(last):
    """(App of config.json, None), or (None, what was printed that a person has to mend there)."""
    try:
        return build(load(), last), None
    except ConfigError as e:
        print(e)
        return None, str(e)
    finally:
        for name in ("config", "fitting"):  # (what only a start needs)
            lazy.forget("firmware." + name)


def build(config, last):
    """The App of a checked Config. Raises ConfigError where board and configuration disagree."""
    board = _asked(lazy.load("check_board").board, config)  # (9 KB that nothing needs afterwards)
    lazy.load("crash").keep(board)
    _asked(lazy.load("ocpp.versions").protocols, config)
    log.level = config.log
    fixed = {
        "connectors": config.connectors,
        "phase_switching": str("phases" in board.CONNECTORS[0]).lower(),
        "security": config.security_profile,
    }
    if config.root_check:
        fixed["root_check"] = True
    # (one text: each of these alone would be a name, for ever)
    last_time, samples, kept, installed = "/last_time /samples /kept.json /profiles".split(" ")
    clock = Clock(machine.RTC(), last_time)
    journal = Journal(Folder("/tx", log.error), samples)
    power_cut = machine.reset_cause() == machine.PWRON_RESET
    fit = fitting.Fitting(board, config, power_cut)
    outlets = [fit.outlet(pins) for pins in board.CONNECTORS[: config.connectors]]
    if not any([outlet.lock for outlet in outlets]):  # (errata 3.84)
        fixed["unlock_unplugged"] = False
    measurands = 0
    for outlet in outlets:
        measurands |= metering.gives(outlet.meter, outlet.derating)
    settings = Configuration(fixed, log.warning, measurands)
    _asked(lazy.load("ocpp.addresses").usable, config, settings, settings.value("security"))
    connectors = []
    for number, outlet in enumerate(outlets, 1):
        slots = limits.Limits(min(board.MAX_mA, config.max_mA))
        if config.installation_mA:
            slots.put(limits.INSTALLATION, config.installation_mA)
        resumes = config.resume or not power_cut
        c = Connector(number, outlet, slots, journal, settings.value, resumes)
        outlet.meter.moved = c.moved
        fit.lamp(outlet, board.CONNECTORS[number - 1], c)
        connectors.append(c)
    kept = Kept(kept, connectors, log.warning)
    for number, fault in kept.latched:  # what waited for a person still does
        for outlet in outlets[number - 1 : number]:
            part = outlet.mirror if fault == faults.WELDED else outlet.residual
            if part:
                part.fault = fault
    profiles = store.Store(installed, log.error)
    evaluator = Evaluator(profiles, config.voltage_V)
    held, delay_s = kept if config.hold_limit else None, config.start_delay_s
    sharing = Sharing(connectors, evaluator, profiles, clock, settings.value, held, delay_s)
    rules = lazy.load("station.policy").Policy(log.warning, config.policy_broken_mA)
    if rules.fault or hasattr(rules.module, "local_limit"):
        for c in connectors:  # until its first word
            c.limits.put(limits.POLICY, rules.limit_mA)
    if not (rules.fault or rules.module):  # then not even the code that would ask them is kept
        rules = None
    station = Station(sharing, journal, kept, log.info, rules, config.plug_and_charge)
    there = _names(station.auth)
    dim = fit.dim(outlets[0])
    if dim or "outside" in there:
        lazy.load("station.outside").load(station, dim)
    if "reserved" in there:
        lazy.load("station.reservations").Reservations(station)
    if "update" in there:
        lazy.load("station.update").Update(station).resume(lazy.load("slots").current())
    if "security.untold" in there:
        station.untold = 1
    _note(station, last, power_cut)
    if power_cut:
        for c in connectors:
            sharing.delay(c)
    rest = settings.config = Config()  # (what is needed from now on: 120 bytes less than all)
    names = "board country dns hostname id ip networks ntp password protocols update_signed url"
    names += " watchdog_s"
    for name in names.split(" "):
        setattr(rest, name, getattr(config, name))

    def connect(app):  # what talks with the Central System, for the App, which it calls
        rpc, identity = Rpc(app.handle, log.info), _identity(config, board, last)
        outbox = Outbox(station, rpc, settings, identity, last, log.info)
        link = Link(rest, rpc, outbox, settings, clock, wifi.resolve, log.info)
        return rpc, outbox, Requests(outbox, app.reset, link.close, app.send), link

    reader = None
    for name in ("RC522", "PN532"):
        if hasattr(board, name):
            reader = fitting.driver(name.lower(), "Reader")(**getattr(board, name))
    app = App(rest, clock, outlets, settings, station, reader, last, connect)
    if config.page:
        app.page = lazy.load("page.server").begin(app, config.page)
    return app


def _asked(check, *args):
    # What a check finds wrong a person has to mend.
    try:
        return check(*args)
    except ValueError as e:
        raise ConfigError(str(e))


def _identity(config, board, last):
    # Vendor, model, serial number, version of the firmware, kind of meter or None; how the run
    # began (crash.how).
    serial = config.serial or hexlify(machine.unique_id()).decode()
    metered = any(["meter" in pins for pins in board.CONNECTORS[: config.connectors]])
    meter = getattr(board, "METER", "sdm630").upper() if metered else None
    version, how = lazy.load("version").VERSION, lazy.load("crash").how(last)
    return config.vendor, config.model, serial, version, meter, how


def _names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def _note(station, last, power_cut):
    # The start as a security event, and the reset that it comes after where the run before ended
    # without a word (else farewell.py has noted it).
    note = lazy.load("station.security").note
    if last:
        note(station, RESET, last)
    if "MemoryError" in last:
        note(station, NO_MEMORY, last)
    why = "version %s, the power came" if power_cut else "version %s, after a reset"
    note(station, STARTED, why % lazy.load("version").VERSION)
