"""OCPP 2.0.1, N07 and N08: events that the unit tells by itself: faults, which are hardwired, and
what its monitors have seen. In RAM only while there is one of them."""

import json
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.electrical import faults
from firmware.ocpp.text import printable

_MOST = const(32)  # events that wait; then the oldest of the least severe goes
_TOLD = const(8)  # in one message: 3 KB

# What an event was triggered by, as an index.
_ALERTING = const(0)
_DELTA = const(1)
_TRIGGERS = const("Alerting Delta Periodic")

# An event is a tuple:
_SEVERITY = const(0)
_ID = const(1)
_TIME_s = const(2)
_TRIGGER = const(3)
_VALUE = const(4)
_NAME = const(5)  # "component variable", as in device_model.py
_NUMBER = const(6)  # of its EVSE; 0: of the station
_MONITOR = const(7)  # its id; None: it is hardwired, and of the fault behind it
_FAULT = const(8)  # by electrical/faults.py, or None
_CLEARED = const(9)  # it is over
_TRANSACTION = const(10)  # or None


def of(outbox):
    """The Alerts of `outbox`, which has them from now on."""
    if not outbox.alerts:
        outbox.alerts = Alerts(outbox)
    return outbox.alerts


class Alerts:
    """Of the Outbox `outbox`. It stands for requests.Requests before facts.py.

    | queue | events that are to be told, the oldest first |
    | open  | (number, fault)s that were told, and are not over |
    | monitors | monitors.Monitors, or None: there are none, or nobody has looked yet |"""

    def __init__(self, outbox):
        self.outbox, self.station, self.rpc = outbox, outbox.station, outbox.rpc
        self.settings, self.log = outbox.settings, outbox.log
        self.queue, self.open = [], []
        self.monitors = None
        self._last = 0

    def watched(self):
        """monitors.Monitors, read from the flash by who asks first."""
        if not self.monitors:
            self.monitors = lazy.load("ocpp.v201.monitors").Monitors(self)
        return self.monitors

    async def poll(self, passed_ms):
        """What the monitors see; once a second."""
        await self.watched().poll(passed_ms)
        self.settle()

    def settle(self):
        """What nobody needs any more goes."""
        if self.monitors and not self.monitors.list:
            self.monitors = None
        if not (self.queue or self.open or self.monitors) and self.outbox.alerts is self:
            self.outbox.alerts = None

    def wanted(self, severity):
        """An event of that severity is to be told, or is kept until it can be (N05.FR.03,
        N07.FR.04): otherwise nobody looks at what it would be of, until it is again. So what is
        told later goes on from what was told before."""
        value = self.settings.value
        kept = self.station.online or severity <= value("alert_offline")
        return value("alerts") and kept and severity <= value("alert_level")

    def heed(self, notice):
        """A Notice of the station (station/states.py): has a fault come, or gone? The gravest is
        the one that is shown, so that graver ones are over, but lesser ones may be there still."""
        number, fault = notice.number, notice.fault
        for one in list(self.open):
            if one[0] == number and (not fault or one[1] < fault):
                if self._fault(notice, one[1], True):
                    self.open.remove(one)
        if fault and (number, fault) not in self.open:
            if self._fault(notice, fault, False) and fault != faults.LIST:
                self.open.append((number, fault))
        self.settle()

    def _fault(self, notice, fault, cleared):
        # (LIST is of a moment: it is no state of a component; the lock is one of its own: G05)
        severity = faults.SEVERITY[fault]
        if not self.wanted(severity):
            return False
        name = "Connector Problem" if notice.number else "ChargingStation Problem"
        there, trigger = notice.fault not in (faults.NONE, faults.LIST), _ALERTING
        if fault == faults.LOCK:
            name, there, trigger = "ConnectorPlugRetentionLock Problem", not cleared, _DELTA
        value = "true" if there else "false"
        said = severity, notice.time_s, trigger, value, name, notice.number, None, fault, cleared
        self.add(*said)
        return True

    def add(self, severity, time_s, trigger, value, name, number, monitor, fault, cleared):
        """Queue an event, of which the fields say what it is."""
        queue, tx = self.queue, None
        if len(queue) == _MOST:
            least = max([event[_SEVERITY] for event in queue])
            queue.pop([event[_SEVERITY] for event in queue].index(least))
        if number:
            tx = self.station.connectors[number - 1].tx
        # (a number that is another one after a reboot too)
        self._last = max(self._last + 1, time_s & 0x3FFFFFFF)
        event = severity, self._last, time_s, trigger, value, name, number, monitor, fault
        queue.append(event + (cleared, tx and tx.uuid))
        self.outbox.notify()

    def message(self):
        """(the oldest events, (action, payload) of NotifyEventRequest)."""
        events, now_s = self.queue[:_TOLD], self.station.clock.now()

        def made():
            between = '{"generatedAt":"%s","seqNo":0,"tbc":false,"eventData":[' % format_iso(now_s)
            for event in events:
                yield between + json.dumps(_data(event))
                between = ","
            yield "]}"

        return events, ("NotifyEvent", made)

    def told(self, events):
        """These were told, or are given up."""
        self.queue[:] = [event for event in self.queue if event not in events]
        self.settle()


def _data(event):
    # An EventDataType.
    component, variable = (
        lazy.load("ocpp.v201.device_model").Row(event[_NAME] + " - - -", event[_NUMBER]).names()
    )
    out = {
        "eventId": event[_ID],
        "timestamp": format_iso(event[_TIME_s]),
        "trigger": _TRIGGERS.split(" ")[event[_TRIGGER]],
        "actualValue": printable(event[_VALUE]),
        "component": component,
        "variable": variable,
    }
    fault = event[_FAULT]
    if fault is None:
        out["eventNotificationType"] = "CustomMonitor"
        out["variableMonitoringId"] = event[_MONITOR]
    else:
        out["eventNotificationType"] = "HardWiredNotification"
        out["techCode"] = lazy.load("names").fault(fault)
        out["techInfo"] = "severity %d" % event[_SEVERITY]
    if event[_CLEARED]:
        out["cleared"] = True
    if event[_TRANSACTION]:
        out["transactionId"] = event[_TRANSACTION]
    return out
