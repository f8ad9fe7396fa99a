"""The day of `make run`: its prices, the limits that follow from them, and what became of both."""

from datetime import timedelta

from host.csms import parse_time
from host.plot import step_plot

CEILING_A = 25
HARDWARE_A = 32
CAR_mA = 22000
QUARTER_s = 900
# A car may take its time after a change: 5 s between duty changes and 5 s to follow are the
# standard's; the rest is how coarse simulated time is when it runs this fast.
SETTLE_s = 120
MARGIN_mA = 150
# ct/kWh by the hour: cheap at night and at noon, dear in the evening.
PRICES_ct = (
    24, 22, 21, 20, 21, 25, 33, 38, 36, 30, 24, 18,
    15, 14, 16, 22, 31, 42, 47, 44, 37, 32, 28, 25,
)  # fmt: skip


def limit_for(price_ct):
    """The limit in A at a price: the owner's rule of this demonstration."""
    if price_ct > 40:
        return 0.0
    if price_ct > 32:
        return 6.5
    return 32.0 if price_ct < 20 else round(16 + (32 - price_ct) * 0.7, 1)


def day_of_prices(start):
    """96 prices from `start` (local time): by the hour, interpolated to quarter hours."""
    out = []
    first = start.hour * 4 + start.minute // 15
    for i in range(first, first + 96):
        a, b = PRICES_ct[i // 4 % 24], PRICES_ct[(i // 4 + 1) % 24]
        out.append(a + (b - a) * (i % 4) / 4)
    return out


def draws(limit_A, ceiling_A=CEILING_A):
    """What the car should draw in mA under a limit."""
    limit_mA = int(min(limit_A, ceiling_A, 32) * 1000)
    return min(limit_mA - 100, CAR_mA) if limit_mA >= 6000 else 0


class Day:
    """What there is to show of it, as far as it has come."""

    def __init__(self):
        self.start = None  # local time
        self.prices_ct = self.limits = ()
        self.transaction = None

    def begin(self, now):
        """It starts with the quarter of an hour after `now`, local time."""
        quarter = now.replace(minute=now.minute // 15 * 15, second=0)
        self.start = quarter + timedelta(seconds=QUARTER_s)
        self.prices_ct = day_of_prices(self.start)
        self.limits = [limit_for(price_ct) for price_ct in self.prices_ct]


def check(trace, start, limits):
    """Compare the trace with the schedule; -> list of (period, what went wrong)."""
    wrong = []
    cars = [(parse_time(e["t"]), max(e["ev_mA"])) for e in trace if e["what"] == "car"]
    for k, limit in enumerate(limits):
        begin = start + timedelta(seconds=QUARTER_s * k)
        settled, end = begin + timedelta(seconds=SETTLE_s), begin + timedelta(seconds=QUARTER_s)
        before = [mA for t, mA in cars if t < settled]
        during = [mA for t, mA in cars if settled <= t < end]
        want = draws(limit)
        for mA in before[-1:] + during:
            if abs(mA - want) > MARGIN_mA:
                wrong.append((k, f"{limit} A allowed, the car drew {mA} mA, not {want} mA"))
                break
    return wrong


def picture(trace, day, path):
    """Limit, pilot and car current over the day, and the prices behind them."""
    limit, pilot, car = [], [], []
    for e in trace:
        at = (parse_time(e["t"]) - day.start).total_seconds() / QUARTER_s
        if e["what"] == "limit":
            mA = e["limit_mA"]
            limit.append((at, HARDWARE_A if mA is None else mA / 1000))
        elif e["what"] == "pilot":
            pilot.append((at, e["advertised_mA"] / 1000))
        elif e["what"] == "car":
            car.append((at, max(e["ev_mA"]) / 1000))
    labels = [
        (i, f"{day.start + timedelta(seconds=QUARTER_s * i):%H:%M}") for i in range(0, 97, 8)
    ]
    lines = {"limit (A)": limit, "offered by the pilot (A)": pilot, "drawn by the car (A)": car}
    title = f"Pilotwire: a day of prices from {day.start:%Y-%m-%d %H:%M %Z}"
    zone = f"local time ({day.start:%Z})"
    svg = step_plot(
        title, zone, labels, "current per phase (A)", 35, lines, "price (ct/kWh)", 70,
        day.prices_ct,
    )  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg)
