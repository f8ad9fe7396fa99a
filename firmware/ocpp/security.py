"""The security profiles of the OCPP 1.6 security white paper: what a dial needs, what its failure
means to a person, and the two keys that change them. No way leads round a certificate's check."""

import os
from micropython import const

from firmware.clock import Clock, format_iso

# What mbedTLS says of a certificate, and what that means. Of several the first one counts most.
_CERTIFICATE = const(
    "correctly signed|unknown CA: put the CA that has signed the certificate of %s on this unit as"
    " /certs/ca.der\n"
    "match with the|wrong host: the certificate does not name %s: mend url in config.json, or the"
    " certificate\n"
    "has expired|certificate expired: %s needs a new one\n"
    "in the future|certificate not yet valid: is the clock of %s right, and that of this unit?"
)
# Of TLS, by mbedTLS's number (the texts differ from build to build).
_TLS = {
    -28288: "too old a version is spoken there: the Central System has to offer TLS 1.2",
    -29184: "none is spoken there; is url in config.json right (port, ws:// or wss://)?",
}
# Without a word: a broken pipe, a reset, an end, an alert. So ends who does not like what we are.
_ALERT = const(-30592)
_ENDED = (32, -32, 103, 104, -104, -29312, _ALERT)
# Of HTTP; 101: switched, but not to our subprotocol; 300: any redirect; 429: any 5xx too.
_ANSWERS = {
    101: "is this url for OCPP 1.6J?",
    300: "put the new address into url in config.json",
    401: "is the password right (%k, or password in config.json)?",
    403: "may station %s connect here?",
    404: "does the Central System know station %s? Is the path of url right?",
    429: "the server has a problem of its own",
}


def level(config, settings):
    """The SecurityProfile that the next dial is to have: a raised one has three rounds over its
    addresses, then for one round that before it has its turn, until one of them has worked."""
    value = settings.value("security")
    before = settings.stored.get("-security")
    if before is not None and before < value:
        n = 3 * len(addresses(config, value))  # (A05.FR.08)
        if settings.failed % (n + len(addresses(config, before))) >= n:
            return before
    return value


def addresses(config, profile):
    """Those of config.url that may be dialled: wss:// with profile 2 and 3, else ws://."""
    return [url for url in config.url if _is_tls(url) == (profile > 1)]


def _is_tls(url):
    return url[:4].lower() == "wss:"


def prepare(config, settings, url, profile=None):
    """-> (SSLContext or None, user or None, password or None) for a dial of `url`, by the profile
    in force or another. Raises ValueError: it says what is missing, and where that belongs."""
    if profile is None:
        profile = level(config, settings)
    if _is_tls(url) != (profile > 1):
        raise ValueError("SecurityProfile %d does not dial %s" % (profile, url))
    password = None
    if profile < 3:  # (a certificate takes the password's place: A00.FR.401)
        password = settings.password() or config.password or None
        if profile and not password:
            why = "SecurityProfile %d needs a password: set %s, or password in config.json"
            raise ValueError(why % (profile, settings.key("password")))
    user = config.id if password else None
    return load(profile) if profile > 1 else None, user, password


def load(profile):
    """The TLS context of a security profile, by /certs: trusts each ca*.der. Raises ValueError."""
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # chain, host name and dates
    try:
        names = [n for n in sorted(os.listdir("/certs")) if n[:2] == "ca" and n[-4:] == ".der"]
    except OSError:
        names = []
    if not names:
        why = "no CA: SecurityProfile %d needs that of the Central System as /certs/ca.der"
        raise ValueError(why % profile)
    for name in names:
        try:
            context.load_verify_locations(_read(name))
        except ValueError:
            raise ValueError("/certs/%s: not a certificate in DER" % name)
    if profile == 3:
        try:
            context.load_cert_chain(_read("client.der"), _read("client.key.der"))
        except ValueError as e:
            raise ValueError("/certs/client.der, client.key.der: %s in DER" % e)
        except OSError:
            why = "SecurityProfile 3 needs /certs/client.der and client.key.der"
            raise ValueError("no client certificate: " + why)
    return context


def _read(name):
    with open("/certs/" + name, "rb") as f:
        return f.read()


def explain(error, config, settings, url):
    """What a dial of `url` failed by, in one line: the cause, and what a person has to do."""
    status, text = getattr(error, "status", 0), str(error) or type(error).__name__
    host = url.partition("://")[2].partition("/")[0]
    profile = level(config, settings)
    if status:
        kind = 429 if status >= 500 else 300 if 300 <= status < 400 else status
        hint = _ANSWERS.get(kind, "is the url that of the Central System?")
        if status == 401 and profile == 3:
            hint = "a password is wanted, and SecurityProfile 3 sends none"
        if "%k" in hint:  # (the names of the keys are not loaded for the others)
            hint = hint.replace("%k", settings.key("password"))
        return "%s; %s" % (text, hint.replace("%s", config.id))
    if text[:4] == "TLS:":
        for line in _CERTIFICATE.split("\n"):
            what, _, hint = line.partition("|")
            if what in text:
                hint %= host
                break
        else:
            hint = "certificate refused: %s needs another (%s)" % (host, text[4:].strip())
        if hint[:12] == "certificate ":  # (it may be the clock that is wrong)
            clock = Clock(None)
            if "not yet" in hint and not clock.plausible(clock.now()):
                hint = "this unit does not know the time, so no certificate is valid: set ntp"
            hint += " (here it is %s)" % format_iso(clock.now())
        return "TLS: " + hint
    if not isinstance(error, OSError):
        return text
    number = error.errno
    ended = text.startswith("connection ended")
    if number == 111:  # refused
        hint = ": nobody listens at %s: does the Central System run, are host and port right?"
        return text + hint % url
    if not _is_tls(url):
        if ended or text.startswith("not an HTTP"):
            text += "; is url in config.json right (port, ws:// or wss://)?"
        elif type(number) is int:
            text += ": " + url
        return text
    if number in _TLS:
        return "TLS: " + _TLS[number]
    if ended or number in _ENDED:
        text = error.args[-1]  # (of mbedTLS: its number, then its text)
        hint = "it may want a client certificate (SecurityProfile 3), or a version or cipher that"
        hint += " this unit lacks"
        if profile == 3:
            hint = "is the client certificate refused? Is its CA trusted, does"
            hint += " client.key.der fit, has it expired?"
        if number != _ALERT:  # (who sends that speaks TLS)
            hint = "is it ws://? Or " + hint
        return "TLS: ended by the Central System (%s): %s" % (text, hint)
    return "TLS: %s" % error.args[1] if len(error.args) > 1 else text


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
            urls = addresses(config, value)
            if not urls:
                scheme = "wss" if value > 1 else "ws"
                raise ValueError("no %s:// address in url of config.json" % scheme)
            prepare(config, settings, urls[0], value)
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


def failed(settings, error, log):
    """A dial failed: the next may be with what was before; True: at once, a password is wrong."""
    settings.failed += 1
    refused = getattr(error, "status", 0) == 401 and "-password" in settings.stored
    if refused:
        which = ("old", "new") if settings.refused else ("new", "old")
        log(settings.key("password") + ": the %s one is refused, the %s one is tried" % which)
    settings.refused = refused and not settings.refused
    return settings.refused


def worked(config, settings, log):
    """A WebSocket is up: what it was made with is in force for good, its rival is forgotten."""
    profile = level(config, settings)
    stored = dict(settings.stored)
    said = []
    for name in ("security", "password"):
        before = stored.get("-" + name)
        if before is None or profile == 3 and name == "password":
            continue  # (no password was sent: nobody knows)
        del stored["-" + name]
        key = settings.key(name)  # (as it is called)
        if settings.refused if name == "password" else profile < settings.value(name):
            said.append("%s: the old one is in force again, for the new one did not work" % key)
            stored[name] = before
            if before == "":
                del stored[name]
        else:
            said.append("%s: the new one works, the old one is forgotten" % key)
    if stored != settings.stored:
        settings.write(stored)
    for line in said:  # (who hears it may cut the power)
        log(line)
    settings.refused, settings.failed = False, 0
