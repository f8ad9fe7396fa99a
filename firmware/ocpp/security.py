"""The security profiles: what a dial needs, and the settings that change them. No way leads round
a certificate's check. (Clauses: OCPP 1.6's security white paper, and 2.0.1's part 2, A.)"""

from micropython import const

from firmware import lazy
from firmware.station.security import RECONFIGURED

_UNKNOWN = const("correctly signed")  # of mbedTLS (failure.py)

addresses = lazy.load("ocpp.addresses")
_shown = None  # the pair that the latest dial showed (storage/certificates.py)


def level(config, settings):
    """The least SecurityProfile that the next dial is to have: a raised one has three rounds over
    its addresses, then for one round that before it has its turn, until one of them has worked."""
    value = settings.value("security")
    before = settings.stored.get("-security")
    if before is not None and before < value:
        times = settings.value("dial_attempts")
        n = 3 * times * len(addresses.dialled(config, settings, value))  # (A05.FR.08)
        least = times * len(addresses.dialled(config, settings, before))
        if settings.failed % (n + least) >= n:
            return before
    return value


def prepare(config, settings, url, profile=None):
    """-> (SSLContext or None, user or None, password or None) for a dial of `url`, by the profile
    in force or another. Raises ValueError: it says what is missing, and where that belongs."""
    global _shown
    _shown = None
    if profile is None:
        profile = level(config, settings)
    if addresses.is_tls(url) != (profile > 1):
        raise ValueError("SecurityProfile %d does not dial %s" % (profile, url))
    password = None
    if profile < 3:  # (a certificate takes the password's place: A00.FR.401)
        password = settings.password() or config.password or None
        if profile and not password:
            why = "SecurityProfile %d needs a password: set %s, or password in config.json"
            raise ValueError(why % (profile, settings.key("password")))
    user = config.id if password else None
    return load(profile, settings.refused & 2) if profile > 1 else None, user, password


def load(profile, all_roots=True):
    """The TLS context of a security profile, by the certificates on the unit; all_roots: the root
    before the present one is trusted as well, while it is there. Raises ValueError."""
    global _shown
    context, _shown = lazy.load("ocpp.trust").load(profile, all_roots)
    return context


# What changes them. A changed password or security profile is kept beside the one before, which
# has "-" in front of its name, until a dial with either of them has worked: both outlive the
# power. `refused`: the password before has its turn; `failed`: dials in a row that failed.


def change(settings, name, value, log):
    """Change the setting password or security (A01, A05). False: refused, the log says why."""
    config = settings.config
    stored = dict(settings.stored)
    if name == "security":
        before = settings.value("security")
        try:
            if value <= before:
                raise ValueError("can only be raised")
            ways = addresses.dialled(config, settings, value)
            if not ways:
                scheme = "wss" if value > 1 else "ws"
                raise ValueError("no %s:// address in url of config.json" % scheme)
            prepare(config, settings, ways[0][3], value)
        except ValueError as e:
            log("SecurityProfile stays %d, not %d: %s" % (before, value, e))
            return False
    else:
        before = stored.get(name, "")  # (none: the password of config.json)
    if before != "" or config.password:
        stored.setdefault("-" + name, before)
    if stored.get("-" + name) == value:  # back to the one that works
        del stored["-" + name]
    stored[name] = value
    done = settings.write(stored)
    if done:
        settings.refused, settings.failed = False, 0
    return done


def ready(settings, text):
    """Raises ValueError, which says why, if a slot of an order cannot be dialled (A05, B10)."""
    config, least = settings.config, settings.value("security")
    for word in text.split(","):
        slot = addresses.slot(config, settings, int(word))
        if not slot:
            raise ValueError("slot %s is empty" % word)
        profile = least if slot[0] is None else slot[0]
        if profile < least:
            raise ValueError("slot %s: its SecurityProfile is below %d" % (word, least))
        prepare(config, settings, slot[2], profile)


def changed(unit, name):
    """What people call `name` was changed, the password or the security profile: that is a
    security event, and ends the connection once the answer is on its way. `unit`:
    requests.Requests."""
    lazy.load("station.security").note(unit.station, RECONFIGURED, name)
    unit.rpc.after = lambda: unit.close("another " + name)  # (A01, A05.FR.06)


def failed(settings, error, log):
    """A dial failed: the next may be with what was before; True: at once, for it is a password
    that is wrong, a certificate of ours that is refused, or a root that is not known."""
    settings.failed += 1
    status, before = getattr(error, "status", 0), settings.refused
    refused = status == 401 and "-password" in settings.stored
    if refused:
        which = ("old", "new") if before & 1 else ("new", "old")
        log(settings.key("password") + ": the %s one is refused, the %s one is tried" % which)
    settings.refused = int(refused and not before & 1)
    again = bool(settings.refused)
    mine = status in (401, 403) or lazy.load("ocpp.failure").has_ended(error)
    # (who is moved to is believed by the new root alone: M05.FR.14 to 16)
    home = settings.slot == settings.value("slot")
    unknown = _UNKNOWN in str(error) and home and not before & 2
    if unknown or _shown and mine:
        again |= lazy.load("ocpp.trust").failed(settings, unknown, _shown, log)
    return again


def worked(config, settings, log, note, profile):
    """A WebSocket is up by `profile`: what it was made with is in force for good, its rival is
    forgotten. note(event, text, 0) hears where that is the old one (station/security.py)."""
    stored = dict(settings.stored)
    said, back = [], []  # back: of them what is no good news
    if profile > settings.value("security"):  # that of a slot (A05.FR.06)
        said.append("SecurityProfile is %d from now on, what is below it is forgotten" % profile)
        stored["security"] = profile
        addresses.raised(stored, profile)
    for name in ("security", "password"):
        before = stored.get("-" + name)
        if before is None or profile == 3 and name == "password":
            continue  # (no password was sent: nobody knows)
        del stored["-" + name]
        key = settings.key(name)  # (as it is called)
        if settings.refused & 1 if name == "password" else profile < settings.value(name):
            said.append("%s: the old one is in force again, for the new one did not work" % key)
            back.append((RECONFIGURED, said[-1], 0))
            stored[name] = before
            if before == "":
                del stored[name]
        else:
            said.append("%s: the new one works, the old one is forgotten" % key)
    if stored != settings.stored:
        settings.write(stored)
    if profile > 1:
        said += lazy.load("ocpp.trust").worked(settings, _shown, back)
    for line in said:  # (who hears it may cut the power)
        log(line)
    for event in back:
        note(*event)
    settings.refused, settings.failed = 0, 0
