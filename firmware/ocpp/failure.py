"""What a dial has failed by: to a person, and as a security event. Loaded when one has failed."""

from micropython import const

from firmware.clock import Clock, format_iso
from firmware.station.security import (
    BAD_CENTRAL_CERTIFICATE,
    BAD_CIPHER,
    BAD_TLS_VERSION,
    NOT_AUTHENTICATED,
)

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
_VERSION = const(-28288)
_FAILURE = const(-28160)  # it has chosen what was not offered
_TLS = {
    _VERSION: "too old a version is spoken there: the Central System has to offer TLS 1.2",
    -29184: "none is spoken there; is url in config.json right (port, ws:// or wss://)?",
}
# Without a word: a broken pipe, a reset, an end, an alert. So ends who does not like what we are.
_ALERT = const(-30592)
_ENDED = (32, -32, 103, 104, -104, -29312, _ALERT)
# Of HTTP; 101: switched, but not to our subprotocol; 300: any redirect; 429: any 5xx too.
_ANSWERS = {
    101: "is this url for OCPP-J, in a version of protocols in config.json?",
    400: "does it speak %p (config.json, protocols)? Is the url right?",
    300: "put the new address into url in config.json",
    401: "is the password right (%k, or password in config.json)?",
    403: "may station %s connect here?",
    404: "does the Central System know station %s? Is the path of url right?",
    429: "the server has a problem of its own",
}


def explain(error, config, settings, url, profile):
    """What a dial of `url` with that SecurityProfile failed by, in one line: the cause, and what a
    person has to do."""
    status, text = getattr(error, "status", 0), str(error) or type(error).__name__
    host = url.partition("://")[2].partition("/")[0]
    if status:
        kind = 429 if status >= 500 else 300 if 300 <= status < 400 else status
        hint = _ANSWERS.get(kind, "is the url that of the Central System?")
        if status == 401 and profile == 3:
            hint = "a password is wanted, and SecurityProfile 3 sends none"
        if "%k" in hint:  # (the names of the keys are not loaded for the others)
            hint = hint.replace("%k", settings.key("password"))
        hint = hint.replace("%p", " or ".join(config.protocols))
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
    ended = has_ended(error)
    if number == 111:  # refused
        hint = ": nobody listens at %s: does the Central System run, are host and port right?"
        return text + hint % url
    if url[:4].lower() != "wss:":
        if text.startswith("connection ended") or text.startswith("not an HTTP"):
            text += "; is url in config.json right (port, ws:// or wss://)?"
        elif type(number) is int:
            text += ": " + url
        return text
    if number in _TLS:
        return "TLS: " + _TLS[number]
    if ended:
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


def event(error, profile):
    """The security event (station/security.py) that the failure of a dial with that profile is, or
    None: who ends a handshake without a word says of no certificate, version or cipher."""
    if getattr(error, "status", 0) in (401, 403):
        return NOT_AUTHENTICATED
    text, clock = str(error), Clock(None)
    if text[:4] == "TLS:":
        # (who does not know the time finds each one not yet valid)
        guess = "in the future" in text and not clock.plausible(clock.now())
        return None if guess else BAD_CENTRAL_CERTIFICATE
    number = error.errno if isinstance(error, OSError) else None
    if number == _ALERT and profile == 3:  # (our certificate, most likely)
        return NOT_AUTHENTICATED
    return {_VERSION: BAD_TLS_VERSION, _FAILURE: BAD_CIPHER}.get(number)


def has_ended(error):
    """Has the peer ended it, without a word that says why?"""
    text = str(error)
    return isinstance(error, OSError) and (
        error.errno in _ENDED or text[:16] == "connection ended"
    )
