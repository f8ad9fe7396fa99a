"""Samples: what a connector's meter, and the station's other sources, showed at an instant. When
they are taken, and what goes where, the settings say (OCPP 1.6 ed. 2, 9.1). Knows no messages."""

from micropython import const

from firmware.storage.journal import PERIODIC

# A sample is a flat tuple of integers: time, values, bits, context (of CONTEXTS). The values are
# those whose bit is set, which means that they are known and were asked for, from bit 0 on:
#   energy in Wh, power in W, currents L1..L3 in mA, voltages L1..L3 in 0.1 V, offered current in
#   mA, offered power in W, temperature in 0.1 degC, frequency in 0.01 Hz

# Reading contexts (7.33), as far as they are taken; texts, because tuples are three times as much.
CONTEXTS = "Sample.Periodic Sample.Clock Trigger Transaction.Begin Transaction.End"
_CLOCK = const(1)
TRIGGER = const(2)
_BEGIN = const(3)
_END = const(4)

MEASURANDS = (
    "Energy.Active.Import.Register Power.Active.Import Current.Import Voltage"
    " Current.Offered Power.Offered Temperature Frequency"
)
_OFFERED = const(0x300)  # bits
_HEAT = const(0x400)
_LATE_s = const(10)  # the meters are read in turn; later than that the clock has jumped


def gives(meter, heat):
    """Bits of what there is a source for: `meter`, and what has a temperature, or None."""
    return meter.gives | _OFFERED | (_HEAT if heat else 0)


class Metering:
    """Takes the samples of all connectors of `station`. What the Central System is told at once
    goes to its sample(), what the end of a transaction tells to the `data` of that, durably."""

    def __init__(self, station):
        self._station = station
        self._since_ms = [0] * len(station.connectors)  # the last periodic sample
        self._seen = None  # the last poll with a known clock

    def poll(self, now_s, known, dt_ms):
        """Take what is due; once a second, when the meters are read. `known`: the clock is set."""
        step_s = self._station.settings("aligned_s")
        at = now_s - now_s % 86400 % (step_s or 86400)  # each day begins anew at midnight UTC
        last_s, self._seen = self._seen, now_s if known else None
        aligned = step_s and known and last_s is not None and last_s < at >= now_s - _LATE_s
        period_ms = self._station.settings("sample_s") * 1000
        for i, c in enumerate(self._station.connectors):
            if aligned:
                self.sample(c, at, "aligned", _CLOCK)
            self._since_ms[i] = self._since_ms[i] + dt_ms if c.tx else 0
            if period_ms and self._since_ms[i] >= period_ms:
                self._since_ms[i] %= period_ms
                self.sample(c, now_s, "sampled", PERIODIC)

    def sample(self, c, t, kind, context):
        """Take a sample now, for all who want one of that kind."""
        sample = self.take(c, t, kind, context)
        if sample:
            self._station.sample(c, sample)
        if c.tx:
            self.keep(c, c.tx, t, "stop_" + kind, context)

    def keep(self, c, tx, t, key="stop_sampled", context=None):
        """Note what the end is to say, of its begin and end where no context is given."""
        if context is None:
            context = _BEGIN if tx.stop_s is None else _END
        sample = self.take(c, t, key, context)
        if sample:
            if tx.data and tx.data[-1][-1] == _END:  # of a stop that the power cut undid
                tx.data.pop()
            tx.data.append(sample)
            self._station.journal.keep(tx)

    def take(self, c, t, key, context):
        """What setting `key` asks for, of connector `c` at `t`; None: nothing."""
        meter, volts = c.meter, c.meter.voltage_mV
        offered_mA = c.controller.pilot_mA
        n = 1 if meter.gives & 0x1C == 0x04 else 3  # phases of the meter
        n = min(n, c.phases or n)  # fewer by a profile
        offered_mV = sum(volts[:n]) if meter.known() else 0
        # (where no voltage is measured: the nominal one)
        offered_mV = offered_mV or n * self._station.sharing.evaluator.voltage_V * 1000
        values = [c.energy_Wh(), meter.power_W] + list(meter.current_mA)
        values += [(mV + 50) // 100 if mV else None for mV in volts] + [offered_mA]
        values += [offered_mA * offered_mV // 1000000, c.heat and c.heat.temperature_dC]
        values.append(meter.frequency_cHz or None)
        bits = gives(meter, c.heat)
        if not meter.known():  # what it showed last is not what it shows
            bits &= _OFFERED | _HEAT
        for i, value in enumerate(values):
            if value is None:  # not known
                bits &= ~(1 << i)
        bits = bits & self._station.settings(key) or (context == TRIGGER and bits & -bits)
        if not bits:
            return None
        return (t,) + tuple([v for i, v in enumerate(values) if bits >> i & 1]) + (bits, context)
