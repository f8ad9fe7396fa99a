"""Where the Central System may be: four slots, each with an address of config.json or with what
the Central System has put there in its place; which of them are dialled, in which order."""

from micropython import const

_ANSWER_s = const(30)
_ALL = "1,2,3,4"
_NAMES = "slot1", "slot2", "slot3", "slot4"  # settings: "security profile, timeout in s, address"


def is_tls(url):
    """It is dialled with TLS."""
    return url[:4].lower() == "wss:"


def slot(config, settings, n):
    """(security profile or None: the one in force, s that it may take to answer, address) of slot
    `n`, 1 to 4; None: it is empty."""
    text = settings.stored.get(_NAMES[n - 1])
    if text:
        profile, timeout_s, url = text.split(" ")
        return int(profile), int(timeout_s), url
    return (None, _ANSWER_s, config.url[n - 1]) if n <= len(config.url) else None


def order(config, settings, text=None):
    """The numbers of the slots that are not empty, the preferred one first, by an order as a text
    or the one that is set; without one those of config.json follow each other."""
    text = settings.stored.get("slots") if text is None else text
    numbers = [int(n) for n in text.split(",")] if text else range(1, len(config.url) + 1)
    return [n for n in numbers if slot(config, settings, n)]


def dialled(config, settings, profile, text=None):
    """[(number, security profile, s to answer, address)] of what may be dialled now that `profile`
    is the least: ws:// with 0 and 1, wss:// with 2 and 3. Where the order does not name the slot
    that was of use last it comes behind; where none of it may be dialled all others have their
    turn: a Central System that cannot be reached does not cost the old one."""
    last = settings.value("slot")
    numbers = order(config, settings, text)
    if last and last not in numbers and slot(config, settings, last):
        numbers.append(last)
    ways = _ways(config, settings, profile, numbers)
    return ways or _ways(config, settings, profile, order(config, settings, _ALL))


def _ways(config, settings, profile, numbers):
    out = []
    for n in numbers:
        own, answer_s, url = slot(config, settings, n)
        least = profile if own is None else own
        if least >= profile and is_tls(url) == (least > 1):
            out.append((n, least, answer_s, url))
    return out


def usable(config, settings, profile):
    """Raises ValueError if the security profile leaves none to dial."""
    if not dialled(config, settings, profile):
        why = "config.json: url: none for SecurityProfile %d: 0 and 1 dial ws://, 2 and 3 wss://"
        raise ValueError(why % profile)


def url(config):
    """Raises ValueError if one of config.json has no host, or no port that can be. (Not asked at
    a start: what cannot be reached is in the log.)"""
    for url in config.url:
        name, colon, port = url.split("/")[2].partition(":")
        good = name and (port.isdigit() and 0 < int(port[:6]) < 65536 if colon else True)
        if not good or [b for b in url.encode() if b in b"@#" or not 32 < b < 127]:
            why = "config.json: url: %s is not ws://HOST:PORT/PATH (or wss://...)"
            raise ValueError(why % url)


def check(kind, text):
    """The order "q", or the slot "n", that `text` is; None: it is none."""
    words = [word.strip() for word in text.split("," if kind == "q" else " ")]
    if kind == "q":
        good = [word for word in words if word in _ALL.split(",")]
        return ",".join(good) if len(set(good)) == len(words) else None
    if len(words) != 3 or not words[0].isdigit() or not words[1].isdigit():
        return None
    profile, url = int(words[0]), words[2]
    good = profile < 4 and 0 < int(words[1]) <= 600 and is_tls(url) == (profile > 1)
    host = url.partition("://")[2]
    return text if good and url[:2].lower() == "ws" and host and len(url) <= 512 else None


def put(settings, n, text):
    """Fill slot `n`; -> False where the flash is full."""
    return settings.put(_NAMES[n - 1], text)


def raised(stored, profile):
    """Take out of `stored` what has a lower security profile, and out of its order also the
    addresses of config.json, which had the one before (A05.FR.06)."""
    for name in _NAMES:
        if name in stored and int(stored[name][0]) < profile:
            del stored[name]
    if "slots" in stored:
        left = [n for n in stored["slots"].split(",") if _NAMES[int(n) - 1] in stored]
        stored["slots"] = ",".join(left)
        if not left:
            del stored["slots"]
