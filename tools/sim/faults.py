"""What can be wrong on the wall's side, by the names that `fault` takes; those of cars: car.py."""

from sim.outlet import AMBIENT_dC, VOLT_mV


def _flag(name, value=True, normal=False):
    """(set, clear) of an attribute of an Outlet"""
    return lambda o: setattr(o, name, value), lambda o: setattr(o, name, normal)


def _lie(kind):
    def put(outlet):
        outlet.meter_lies = kind
        outlet.meter_shows.clear()

    def clear(outlet):
        outlet.meter_lies = ""
        outlet.meter_shows.clear()

    return put, clear


def _move(at_Wh=None, by_Wh=0):
    """The meter's register stands at `at_Wh`, or moves by `by_Wh`, and counts on from there: as
    after a reset of its own, or of another meter. Cleared: it is as it was."""

    def put(outlet):
        to_uWh = outlet.register_uWh() + by_Wh * 1000000 if at_Wh is None else at_Wh * 1000000
        outlet.meter_offset_uWh = max(to_uWh, 0) - outlet.energy_uWh

    return put, lambda o: setattr(o, "meter_offset_uWh", 0)


LIES = (
    "frozen", "energy-frozen", "zero-energy", "zero-volts", "nan", "inf", "negative",
    "other-phases",
)  # fmt: skip


def _set_ambient(outlet, dC):
    outlet.temperature_dC = outlet.ambient_dC = dC


def _set_volts(outlet, a, b=VOLT_mV, c=VOLT_mV):
    outlet.volts_mV[:] = (a, b, c)


def _plug_back(outlet):
    if outlet.plugged:
        outlet.cable_ohm = outlet.car.cable_ohm


# What can be wrong on the wall's side: name -> (set, clear), to be called with an Outlet.
WALL_FAULTS = {
    "weld": _flag("welded"),
    "stuck-open": _flag("stuck_open"),
    "residual": _flag("residual_mA", 30, 0),
    "residual-broken": _flag("residual_broken"),
    "pe-loss": _flag("pe_ok", False, True),
    "interlock": _flag("loop_closed", False, True),
    "duty-stuck": (lambda o: setattr(o, "stuck", o.duty), lambda o: setattr(o, "stuck", None)),
    "overheat": (lambda o: _set_ambient(o, 750), lambda o: _set_ambient(o, AMBIENT_dC)),
    "warm": (lambda o: _set_ambient(o, 660), lambda o: _set_ambient(o, AMBIENT_dC)),
    "sensor-lost": _flag("sensor_lost"),
    "lock-jam": _flag("lock_jam"),
    "lock-forced": (lambda o: setattr(o, "locked", False), lambda o: None),
    "cable-loss": (lambda o: setattr(o, "cable_ohm", None), _plug_back),
    "cable-bad": (lambda o: setattr(o, "cable_ohm", 20), _plug_back),
    "under-voltage": (lambda o: _set_volts(o, 195000), lambda o: _set_volts(o, VOLT_mV)),
    "over-voltage": (
        lambda o: _set_volts(o, VOLT_mV, 260000),
        lambda o: _set_volts(o, VOLT_mV),
    ),
    "phase-loss": (lambda o: _set_volts(o, VOLT_mV, VOLT_mV, 0), lambda o: _set_volts(o, VOLT_mV)),
    "meter-lost": _flag("meter_lost"),
    "meter-garbles": _flag("meter_garbles"),
    "meter-reset": _move(at_Wh=0),
    "meter-back": _move(by_Wh=-500),
    "meter-ahead": _move(by_Wh=50000),
}
for kind in LIES:
    WALL_FAULTS["meter-" + kind] = _lie(kind)


def happen(outlet, name, over=False):
    """Something goes wrong with the wall at `outlet` or its car, or is over; `outlet.wrong` has
    the names of what is."""
    (outlet.wrong.discard if over else outlet.wrong.add)(name)
    if name in WALL_FAULTS:
        WALL_FAULTS[name][over](outlet)
    else:
        (outlet.car.faults.discard if over else outlet.car.faults.add)(name)


# What of a board sees it, the first letters of a fault's name; without it nothing does.
_THERMOMETERS = ("ntc", "mcp9700", "ds18b20")
_SEEN_BY = {
    "weld": ("mirror",),
    "stuck-open": ("mirror",),
    "residual": ("residual",),
    "pe-loss": ("earth",),
    "interlock": ("interlock",),
    "duty-": ("readback",),
    "overheat": _THERMOMETERS,
    "warm": _THERMOMETERS,
    "sensor-lost": _THERMOMETERS,
    "lock-": ("lock",),
    "cable-": ("proximity",),
    "under-voltage": ("meter",),
    "over-voltage": ("meter",),
    "phase-loss": ("meter",),
    "meter-": ("meter", "s0"),
}


def unseen(name, pins):
    """The part without which a connector with these `pins` does not see the fault `name` of the
    wall; None: it sees it."""
    for start, parts in _SEEN_BY.items():
        if name.startswith(start) and not any(part in pins for part in parts):
            return parts[0]
    return None
