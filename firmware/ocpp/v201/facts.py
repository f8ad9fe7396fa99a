"""What variables of device_model.py show that no setting says: it is asked for at the moment when
it is told. A fact is a function of requests.Requests and the connector, or None."""

from firmware import lazy
from firmware.clock import format_iso
from firmware.electrical import faults
from firmware.station import metering, states

_words = lazy.load("ocpp.v201.words")
# What a station shows, or one EVSE for all: the first of these that any of them is in.
_SHOWN = "Available", "Occupied", "Reserved", "Unavailable", "Faulted"


def value(unit, row):
    """The text of a fact."""
    return text(now(unit, row.text(), row.number))


def now(unit, name, number):
    """The fact of Row.text() `name`, of EVSE `number`; "": it is not known just now."""
    c = unit.station.connectors[number - 1] if number else None
    return _FACTS[name.split("/")[0]](unit, c)


def text(fact):
    """What now() has, as text."""
    return str(fact).lower() if isinstance(fact, bool) else str(fact)


def most(unit, row):
    """The most that it can be, as a number."""
    return _MOST[row.text()](unit, unit.station.connectors[row.number - 1])


def said(settings, row, text):
    """What a setting's text is as the value of a variable."""
    if row.kind == "M" and row.value[1:] not in ("tx_start", "tx_stop"):
        # OCPP 1.6 has names for single phases, and a temperature
        words, names = text.split(","), _measurands(settings)
        return ",".join([n for n in names if [w for w in words if w == n or _part(w, n)]])
    if row.value == "=slots" and not text:
        order = lazy.load("ocpp.addresses").order(settings.config, settings)
        return ",".join([str(n) for n in order])
    return text


def values(settings, line):
    """The valuesList of a setting that is a list (a line of keys.py)."""
    return line[5] if line[3] == "o" else ",".join(_measurands(settings))


def _part(word, name):
    return word.startswith(name + ".L") and word.find(".", len(name) + 1) < 0


def _measurands(settings):  # those that have a source, and a word
    names = metering.MEASURANDS.split(" ")
    mask = settings.keys().mask
    return [n for n in names if n != "Temperature" and mask(n, settings.gives)]


def _AuthCacheCtrlr_Storage(unit, _):
    return unit.station.local().sizes()[2]


def _ChargingStation_AvailabilityState(unit, _):
    station = unit.station
    if not station.kept.in_service():
        return "Unavailable"
    shown = [_Connector_AvailabilityState(unit, c) for c in station.connectors]
    return [word for word in _SHOWN if word in shown][0]


def _ChargingStation_Enabled(unit, _):
    return unit.station.kept.in_service()


def _ChargingStation_FirmwareVersion(unit, _):
    return unit.outbox.identity[3]


def _ChargingStation_Model(unit, _):
    return unit.outbox.identity[1]


def _ChargingStation_Problem(unit, _):
    station = unit.station
    broken = station.policy and station.policy.fault
    return bool(broken) or any([_Connector_Problem(unit, c) for c in station.connectors])


def _ChargingStation_SerialNumber(unit, _):
    return unit.outbox.identity[2]


def _ChargingStation_SupplyPhases(unit, _):
    return max([_Connector_SupplyPhases(unit, c) for c in unit.station.connectors])


def _ChargingStation_VendorName(unit, _):
    return unit.outbox.identity[0]


def _ClockCtrlr_DateTime(unit, _):
    return format_iso(unit.station.clock.now())


def _ClockCtrlr_TimeSource(unit, _):
    return "Heartbeat,NTP" if unit.settings.config.ntp else "Heartbeat"


def _Connector_AvailabilityState(unit, c):
    return _words.STATES.split(" ")[c.state]


def _Connector_ConnectorType(unit, c):
    return _words.plug(c)


def _Connector_Enabled(unit, c):
    return c.operative


def _Connector_Problem(unit, c):
    return c.shown.fault != faults.NONE or c.state == states.FAULTED


def _Connector_SupplyPhases(unit, c):
    return metering.phases(c.meter)


def _ConnectorPlugRetentionLock_Problem(unit, c):
    return c.shown.fault == faults.LOCK


def _EVSE_Power(unit, c):
    return c.meter.power_W if c.meter.known() else 0


def _EVSE_Power_most(unit, c):
    volts = unit.station.sharing.evaluator.voltage_V
    return c.limits.fixed_mA * volts * metering.phases(c.meter) // 1000


def _DataLink_SignalStrength(unit, _):
    import network  # (which not every port has)

    try:
        return network.WLAN(network.WLAN.IF_STA).status("rssi")
    except OSError:  # (it is in none)
        return ""


def _LocalAuthListCtrlr_Entries(unit, _):
    return unit.station.local().sizes()[0]


def _LocalAuthListCtrlr_Storage(unit, _):
    return unit.station.local().sizes()[1]


def _MonitoringCtrlr_Entries(unit, _):
    alerts = unit.outbox.alerts
    return len(alerts.watched().list) if alerts else 0


def _OCPPCommCtrlr_ActiveNetworkProfile(unit, _):
    return unit.settings.slot


def _OCPPCommCtrlr_MessageTimeout(unit, _):
    return unit.rpc.answer_s


def _SecurityCtrlr_CertificateEntries(unit, _):
    files = lazy.load("storage.certificates")
    roots = len(files.listed(files.CENTRAL)) + len(files.listed(files.MAKER))
    return roots + len([1 for _ in files.pairs()])


def _SecurityCtrlr_Identity(unit, _):
    return unit.settings.config.id


def _SmartChargingCtrlr_Entries(unit, _):
    return unit.station.store.count()


def _TemperatureSensor_Temperature(unit, c):
    dC = c.heat.temperature_dC
    return "" if dC is None else dC / 10


_FACTS = {
    "AuthCacheCtrlr Storage": _AuthCacheCtrlr_Storage,
    "ChargingStation AvailabilityState": _ChargingStation_AvailabilityState,
    "ChargingStation Enabled": _ChargingStation_Enabled,
    "ChargingStation FirmwareVersion": _ChargingStation_FirmwareVersion,
    "ChargingStation Model": _ChargingStation_Model,
    "ChargingStation Problem": _ChargingStation_Problem,
    "ChargingStation SerialNumber": _ChargingStation_SerialNumber,
    "ChargingStation SupplyPhases": _ChargingStation_SupplyPhases,
    "ChargingStation VendorName": _ChargingStation_VendorName,
    "ClockCtrlr DateTime": _ClockCtrlr_DateTime,
    "ClockCtrlr TimeSource": _ClockCtrlr_TimeSource,
    "Connector AvailabilityState": _Connector_AvailabilityState,
    "Connector ConnectorType": _Connector_ConnectorType,
    "Connector Enabled": _Connector_Enabled,
    "Connector Problem": _Connector_Problem,
    "Connector SupplyPhases": _Connector_SupplyPhases,
    "ConnectorPlugRetentionLock Problem": _ConnectorPlugRetentionLock_Problem,
    "DataLink SignalStrength": _DataLink_SignalStrength,
    "EVSE AvailabilityState": _Connector_AvailabilityState,
    "EVSE Enabled": _Connector_Enabled,
    "EVSE Power": _EVSE_Power,
    "EVSE Problem": _Connector_Problem,
    "EVSE SupplyPhases": _Connector_SupplyPhases,
    "LocalAuthListCtrlr Entries": _LocalAuthListCtrlr_Entries,
    "LocalAuthListCtrlr Storage": _LocalAuthListCtrlr_Storage,
    "MonitoringCtrlr Entries": _MonitoringCtrlr_Entries,
    "OCPPCommCtrlr ActiveNetworkProfile": _OCPPCommCtrlr_ActiveNetworkProfile,
    "OCPPCommCtrlr MessageTimeout": _OCPPCommCtrlr_MessageTimeout,
    "SecurityCtrlr CertificateEntries": _SecurityCtrlr_CertificateEntries,
    "SecurityCtrlr Identity": _SecurityCtrlr_Identity,
    "SmartChargingCtrlr Entries": _SmartChargingCtrlr_Entries,
    "TemperatureSensor Temperature": _TemperatureSensor_Temperature,
}
_MOST = {"EVSE Power": _EVSE_Power_most}
