"""Makes connectors of what a board's file says: at boot, in the proofs and in the unit tests."""

from micropython import const

from firmware.electrical.controller import Controller
from firmware.outlet import Outlet

# The board's key for a part; its module in electrical/ and class; module and class of its driver
# in drivers/.
_PARTS = (
    ("proximity", "proximity", "Proximity", "analog", "ProximityLine"),
    ("residual", "residual", "Residual", "parts", "ResidualSensor"),
    ("mirror", "contact", "Mirror", "parts", "Contact"),
    ("interlock", "contact", "Interlock", "parts", "Contact"),
    ("earth", "contact", "Earth", "parts", "Contact"),
    ("readback", "readback", "Readback", "readback", "Pulse"),
    ("lock", "lock", "Lock", "parts", "LockMotor"),
    ("phases", "phases", "Phases", "parts", "PhaseRelay"),
    ("ntc", "derating", "Derating", "ntc", "Ntc"),
    ("mcp9700", "derating", "Derating", "analog", "Mcp9700"),
    ("ds18b20", "derating", "Derating", "ds18b20", "Ds18b20"),
)
_DIM_W = const(4200)  # what is left to who is dimmed (section 14a of Germany's EnWG)


def driver(module, name):
    """The class `name` of firmware/drivers."""
    return _class("drivers." + module, name)


def _part(module, name):
    return _class("electrical." + module, name)


def _class(module, name):
    return getattr(__import__("firmware." + module, None, None, (name,)), name)


class Fitting:
    """Fits out the connectors of `board` (a module of boards/, or what looks like one).
    `config`: a config.Config, or what has its `voltage_V`, `meter_lost_mA`, `wake` and
    `ventilation`. `power_cut`: the reset was one, or nobody knows. `driver`: finds drivers."""

    def __init__(self, board, config, power_cut=True, driver=driver):
        self._board, self._config = board, config
        self._power_cut, self._driver = power_cut, driver
        self._bus = None

    def outlet(self, pins):
        """The Outlet of `pins`, one of board.CONNECTORS; its outputs are at rest."""
        config = self._config
        contactor = self._driver("outputs", "Contactor")(pins["contactor"])
        outlet = Outlet(self._line(pins), contactor, self._meter(pins))
        # (a detector of the high level alone cannot measure a steady -12 V)
        sees_f = "peak" not in pins
        c = outlet.controller = Controller(self._parts(outlet, pins), self._power_cut, sees_f)
        c.wake, c.ventilation = config.wake, config.ventilation
        if "button" in pins:
            outlet.button = self._driver("panel", "Button")(**pins["button"])
            outlet.devices.append(outlet.button)
        return outlet

    def dim(self, outlet):
        """The grid operator's contact, which is read in the tick of `outlet`; None: none is."""
        if not hasattr(self._board, "DIM"):
            return None
        pins = dict(self._board.DIM)
        W = 1000 * pins.pop("power_W", _DIM_W)
        dim = _part("dim", "Contact")(W // (self._config.voltage_V * self._board.PHASES))
        outlet.devices.append(self._driver("parts", "Contact")(dim, **pins))
        return dim

    def lamp(self, outlet, pins, connector):
        """The lamp that shows the state of `connector`, if there is one."""
        if "led" in pins:
            make = self._driver("panel", "StatusLed")
            outlet.devices.append(make(connector, **pins["led"]))

    def _line(self, pins):
        # The pilot: sampled in bursts, through a curve, or behind peak detectors.
        board = self._board
        at = pins["pilot"], pins["sense"]
        if hasattr(board, "SENSE_CURVE"):
            return self._driver("curved_line", "CurvedLine")(*at, board.SENSE_CURVE)
        at += board.SENSE_ZERO_uV, board.SENSE_PER_V_uV
        if "peak" in pins:
            peak = {"low_" + key: value for key, value in pins["peak"].items()}
            low = peak.pop("low_low")
            return self._driver("peak_line", "PeakLine")(*at[:2], low, *at[2:], **peak)
        return self._driver("pilot_line", "PilotLine")(*at)

    def _meter(self, pins):
        board = self._board
        if "s0" in pins:
            s0 = pins["s0"]
            return self._driver("s0", "Meter")(path="/s0.%d" % s0["pin"], **s0)
        if "meter" not in pins:
            return self._driver("s0", "NoMeter")()
        if not self._bus:  # (one for all)
            self._bus = self._driver("modbus", "Bus")(**board.METER_UART)
        kind = getattr(board, "METER", "sdm630")
        if kind == "pzem":
            made = self._driver("modbus", "Pzem")(self._bus, pins["meter"])
        else:
            phases = 1 if kind == "sdm120" else 3
            made = self._driver("modbus", "Eastron")(self._bus, pins["meter"], phases)
        made.step_Wh = getattr(board, "METER_STEP_Wh", 0)
        return made

    def _parts(self, outlet, pins):
        parts = []
        for key, home, name, module, driver in _PARTS:
            if key in pins:
                part = _part(home, name)
                part = part("test" in pins[key]) if key == "residual" else part()
                parts.append(part)
                outlet.devices.append(self._driver(module, driver)(part, **pins[key]))
                setattr(outlet, name.lower(), part)
        if "meter" in pins:
            outlet.overcurrent = _part("meter", "Overcurrent")(self._config.meter_lost_mA)
            outlet.supply = _part("meter", "Supply")(self._config.voltage_V)
            parts += outlet.overcurrent, outlet.supply
        return tuple(parts)
