"""Samples: what a connector's meter, and the station's other sources, showed at an instant. When
they are taken, and what goes where, the settings say (OCPP 1.6 ed. 2, 9.1). Knows no messages."""

from micropython import const

from firmware.storage.journal import PERIODIC
from firmware.storage.transactions import STARTED

# A sample is a flat tuple of integers: time, values, bits, context (of CONTEXTS; from bit 4 on the
# state of its connector, where that is told with it). The values are those whose bit is set, which
# means that they are known and were asked for, from bit 0 on:
#   energy in Wh, power in W, currents L1..L3 in mA, voltages L1..L3 in 0.1 V, offered current in
#   mA, offered power in W, temperature in 0.1 degC, frequency in 0.01 Hz

# Reading contexts (7.33), as far as they are taken; texts, because tuples are three times as much.
# (The second Begin is of what the start itself tells.)
CONTEXTS = (
    "Sample.Periodic Sample.Clock Trigger Transaction.Begin Transaction.End Transaction.Begin"
)
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


def phases(meter):
    """How many a meter measures; of one that does not say it, three."""
    return 1 if meter.gives & 0x1C == 0x04 else 3


class Metering:
    """Takes the samples of all connectors of `station`. What the Central System is told at once
    goes to its sample(), what start and end of a transaction tell to the `data` of that, durably.
    unsaid: bits of the values that are not to be taken."""

    def __init__(self, station):
        self._station = station
        # Since the last periodic samples: of what is told at once, of what the end tells.
        self._since_ms = [[0, 0] for _ in station.connectors]
        self._seen = None  # the last poll with a known clock
        self.unsaid = 0

    def poll(self, now_s, known, dt_ms):
        """Take what is due; once a second, when the meters are read. `known`: the clock is set."""
        settings, last_s = self._station.settings, self._seen
        self._seen = now_s if known else None
        # Who wants to hear of starts, stops and samples only has one interval for both.
        own = bool(self._station.journal.wanted)
        aligned = [_instant(now_s, last_s, settings("aligned_s"))] * 2 if known else (None, None)
        every_s = [settings("sample_s")] * 2
        if own:
            if known:
                aligned[1] = _instant(now_s, last_s, settings("stop_aligned_s"))
            every_s[1] = settings("stop_sample_s")
        for c, since in zip(self._station.connectors, self._since_ms):
            tx = c.tx if c.tx and c.tx.seq else None
            if aligned[0] is not None and not (own and tx and settings("aligned_idle")):
                self.tell(c, aligned[0], "aligned", _CLOCK)
            if aligned[1] is not None and tx:
                self.keep(c, tx, aligned[1], "stop_aligned", _CLOCK)
            for i in range(2):
                since[i] = since[i] + dt_ms if tx else 0
                if every_s[i] and since[i] >= every_s[i] * 1000:
                    since[i] %= every_s[i] * 1000
                    if i:
                        self.keep(c, tx, now_s, "stop_sampled", PERIODIC)
                    else:
                        self.tell(c, now_s, "sampled", PERIODIC)

    def tell(self, c, t, key, context):
        """Take what setting `key` asks for, and have the Central System told of it."""
        sample = self.take(c, t, key, context)
        if sample:
            self._station.sample(c, sample)

    def begin(self, c, tx):
        """Take what the start of `tx` tells, unless it is energy alone, which it has anyway (the
        setting started), and what the end tells of the begin."""
        station = self._station
        if station.journal.wanted and station.settings("started") != 1:
            tx.data.append(
                self.take(c, tx.start_s, "started", STARTED) or (tx.start_s, 0, STARTED)
            )
            station.journal.keep(tx)
        self.keep(c, tx, tx.start_s)

    def report(self, c, t):
        """Tell of the transaction of `c` what its samples tell; beside TRIGGER is its state."""
        sample = self.take(c, t, "sampled", TRIGGER)
        if c.tx and sample:
            self._station.sample(c, sample[:-1] + (TRIGGER | c.state << 4,))

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
        n = phases(meter)
        n = min(n, c.phases or n)  # fewer by a profile
        offered_mV = sum(volts[:n]) if meter.known() else 0
        # (where no voltage is measured: the nominal one)
        offered_mV = offered_mV or n * self._station.sharing.evaluator.voltage_V * 1000
        values = [c.energy_Wh(), meter.power_W] + list(meter.current_mA)
        values += [(mV + 50) // 100 if mV else None for mV in volts] + [offered_mA]
        values += [offered_mA * offered_mV // 1000000, c.heat and c.heat.temperature_dC]
        values.append(meter.frequency_cHz or None)
        bits = gives(meter, c.heat) & ~self.unsaid
        if not meter.known():  # what it showed last is not what it shows
            bits &= _OFFERED | _HEAT
        for i, value in enumerate(values):
            if value is None:  # not known
                bits &= ~(1 << i)
        bits = bits & self._station.settings(key) or (context == TRIGGER and bits & -bits)
        if not bits:
            return None
        return (t,) + tuple([v for i, v in enumerate(values) if bits >> i & 1]) + (bits, context)


def _instant(now_s, last_s, step_s):
    # The latest of the instants `step_s` apart that has come since the poll before, or None. Each
    # day begins anew at midnight UTC.
    at = now_s - now_s % 86400 % (step_s or 86400)
    due = step_s and last_s is not None and last_s < at >= now_s - _LATE_s
    return at if due else None
