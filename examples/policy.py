# An owner's rules. Copy to the unit as /policy.py (tools/station: --policy FILE). Both functions
# may be left out. They run on the unit, between two ticks: be quick, and wait for nothing.


def on_charging_profile(request, station):
    """A SetChargingProfile.req that the station could keep: "Accepted", "Rejected" or
    "NotSupported". Where it fails the profile is taken, and the cap of config.json
    (policy_broken_mA) holds beside it."""
    profile = request["csChargingProfiles"]
    if profile["chargingProfilePurpose"] == "ChargePointMaxProfile":
        return "Accepted"
    # nobody but the owner may stop a car for good
    schedule = profile["chargingSchedule"]
    last = schedule["chargingSchedulePeriod"][-1]
    return "Rejected" if last["limit"] == 0 and "duration" not in schedule else "Accepted"


def local_limit(now, station):
    """Asked once a second. mA per phase that each connector may take at most, or None for no
    limit of ours. `now`: seconds since 2020. An exception, or anything else (8.0, True, -1), means
    policy_broken_mA of config.json, until it has worked for a minute."""
    hour = now // 3600 % 24  # UTC
    return 10000 if 17 <= hour < 20 else None
