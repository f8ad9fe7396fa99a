# An owner's rules. Copy to the unit as /policy.py (tools/station: --policy FILE). All functions
# may be left out. They run on the unit, between two ticks: be quick, and wait for nothing.
# They are the same whichever version of OCPP is spoken.

from firmware import lazy


def on_profile(profile, station):
    """True: the charging profile, which the station could keep, may be kept; False: it is refused.
    Where this fails the profile is taken, and the cap of config.json (policy_broken_mA) holds
    beside it. `profile` has id, connector (0: the charge point), level, purpose ("transaction",
    "default", "ceiling"), unit ("A" per phase, "W" in all), duration_s or None, and periods():
    tuples (start_s, thousandths of the unit, phases or 0)."""
    if profile.purpose == "ceiling":
        return True
    # nobody but the owner may stop a car for good
    last = list(profile.periods())[-1]
    return last[1] > 0 or profile.duration_s is not None


def local_limit(now, station):
    """Asked once a second. mA per phase that each connector may take at most, or None for no
    limit of ours. `now`: seconds since 2020. An exception, or anything else (8.0, True, -1), means
    policy_broken_mA of config.json, until it has worked for a minute."""
    hour = now // 3600 % 24  # UTC
    return 10000 if 17 <= hour < 20 else None


last = None  # the number of the latest transaction of which the rule below has spoken


def say_what_is_needed(station):
    """Not asked for by the firmware: call it in local_limit. Every car at connector 1 needs 10 kWh
    until the next 05:30 (UTC). Told once a transaction, in OCPP 2.0.1; the Central System may
    answer with a profile that does it while that is cheap."""
    global last
    tx = station.connectors[0].tx
    if tx and tx.number != last:
        needs = lazy.load("station.needs")
        if not needs.put(station, 1, *needs.read(station, ("10", "kWh", "05:30"))):
            last = tx.number


# What energy management wants may come from here too, with a safe value for the time when it does
# not any more: station.impose("10 for 60 else 6"), the same line as on the console
# (docs/configuration.md, Limits from outside). A line that is wrong raises ValueError, and counts
# as a mistake of the function that has said it.
