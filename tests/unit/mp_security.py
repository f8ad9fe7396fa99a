"""ocpp/security.py: what a dial needs, what its failure means, and keys that are changed for good
only when they have worked. (Real servers: tests/system/test_security_tls.py.)"""

import os
import time
import vfs
from binascii import unhexlify

import flash
from rig import raises

from firmware import clock
from firmware.ocpp import failure, security
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.v16 import configuration as key_messages
from firmware.station import security as station_security

HEAP = "500K"
BOTH = True
CHIP = True


class Time:
    @staticmethod
    def time():  # since 2000, as on the ESP32
        return int(time.time()) - 946684800


clock.time = Time
# A CA, a certificate of it, and its key: of this test only, EC, good until 2126.
CA = (
    "3082017c30820121a0030201020214092b8156c2ae98580e22d78ac585cd2b38f20739300a06082a8648ce3d0403"
    "023032311e301c060355040a0c1550696c6f747769726520646576656c6f706d656e743110300e06035504030c07"
    "546573742043413020170d3236313132303139343234335a180f32313236313032383139343234335a3032311e30"
    "1c060355040a0c1550696c6f747769726520646576656c6f706d656e743110300e06035504030c07546573742043"
    "413059301306072a8648ce3d020106082a8648ce3d03010703420004f88f159352f6968131f2a6043a51692f81b5"
    "f2ede2752a3ba51518469b00fdd32c4ba59ff4e2f718dc69f5e0155731ee9d94e123f6b3f275f69c581aac05c81a"
    "a3133011300f0603551d130101ff040530030101ff300a06082a8648ce3d04030203490030460221008d760f503d"
    "e746a0d1efde8f77dabcee50f8ff4c50ee1a5d5b9d9eb8ef709f73022100c59cbca8959d6b8005f186bd9e69e377"
    "3d4f8c478ae395ff979ad5406614d280"
)
CLIENT = (
    "308201883082012fa0030201020214154a63f61be1723395394e4bb9454295e40e74e2300a06082a8648ce3d0403"
    "023032311e301c060355040a0c1550696c6f747769726520646576656c6f706d656e743110300e06035504030c07"
    "546573742043413020170d3236313132303139343234335a180f32313236313032383139343234335a302e311e30"
    "1c060355040a0c1550696c6f747769726520646576656c6f706d656e74310c300a06035504030c03435031305930"
    "1306072a8648ce3d020106082a8648ce3d03010703420004451898d3c2647bd4124d26778946e13c9eaadee0ae3a"
    "bc05f5c5d304e441bc5b408d25726c20ddf55641f1c9145bc7d66dfbf529ce2b5c91efe0c538c3e7a461a3253023"
    "300c0603551d130101ff0402300030130603551d25040c300a06082b06010505070302300a06082a8648ce3d0403"
    "02034700304402207592832d28878e53621b60a023647748f53d060af4c6d73de64de9f29e3bb8aa02202b830c81"
    "379e9923b7fd703ebc2bff0a81976fa4b8eed230d3a6bb7913ba5feb"
)
CLIENT_KEY = (
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420ca7357ee2782e5149fb0"
    "596fe9daff7963602df0cc662ed28920cec8901a3222a14403420004451898d3c2647bd4124d26778946e13c9eaa"
    "dee0ae3abc05f5c5d304e441bc5b408d25726c20ddf55641f1c9145bc7d66dfbf529ce2b5c91efe0c538c3e7a461"
)
EVERYTHING = {"ca.der": CA, "client.der": CLIENT, "client.key.der": CLIENT_KEY}
OLD, NEW, THIRD = "0a" * 16, "0b" * 20, "0c" * 18
KEY, PROFILE = "AuthorizationKey", "SecurityProfile"
BOTH = ["ws://a/x", "wss://a/x"]
said = []
noted = []  # security events


class Unit:
    """The part of a Config that matters here."""

    def __init__(self, url=BOTH, password=""):
        self.url = [url] if isinstance(url, str) else url
        self.id, self.protocols = "CP1", ("ocpp1.6",)
        self.password = password


class Refused(OSError):
    def __init__(self, status, text="HTTP"):
        super().__init__(text)
        self.status = status


class Keyed(Configuration):
    """With what OCPP 1.6 asks of it."""

    def set(self, name, text):
        return key_messages.change(self, name, text)


def power_on(profile=0, url=BOTH, password="", chip=None):
    """The Configuration of a unit after a power cut; `chip`: with another flash."""
    if chip:
        flash.mount(chip)
    said.clear()
    fixed = {"security": profile, "connectors": 1, "phase_switching": "false"}
    c = Keyed(fixed, said.append, 0xFFF, "/flash/ocpp.json")
    c.config = Unit(url, password)
    return c


def new(*args, **more):
    return power_on(*args, chip=flash.Flash(8), **more)


def put_certificates(files):
    try:
        vfs.umount("/certs")
    except OSError:
        pass
    vfs.mount(vfs.VfsLfs2(flash.Flash(16)), "/certs")
    for name, text in files.items():
        with open("/certs/" + name, "wb") as f:
            f.write(unhexlify(text))


def fails(c, status=0, text="no answer"):
    said.clear()
    security.failed(c, Refused(status, text), said.append)


def works(c):
    said.clear()
    noted.clear()
    least = security.level(c.config, c)
    security.worked(c.config, c, said.append, lambda *event: noted.append(event), least)


def level(c):
    return security.level(c.config, c)


def prepared(c, url, profile=None):
    return security.prepare(c.config, c, url, profile)


def trouble(c, url, profile=None):
    return str(raises(ValueError, prepared, c, url, profile))


# What a dial needs


def test_which_addresses_a_profile_dials():
    every = ["ws://a", "wss://b", "WSS://c", "ws://d/wss:"]
    for profile in range(4):
        wanted = ["wss://b", "WSS://c"] if profile > 1 else ["ws://a", "ws://d/wss:"]
        c = new(profile, every)
        ways = security.addresses.dialled(c.config, c, profile)
        assert [url for _, _, _, url in ways] == wanted


def test_a_profile_dials_only_what_is_as_safe_as_it_says():
    put_certificates(EVERYTHING)
    for profile in range(4):
        c = new(profile, password="secret")
        url = "ws://a/x" if profile > 1 else "wss://a/x"
        text = "SecurityProfile %d does not dial %s" % (profile, url)
        assert trouble(c, url) == text
        assert trouble(c, url, profile) == text


def test_what_each_profile_brings():
    put_certificates(EVERYTHING)
    c = new(0)
    assert prepared(c, "ws://a/x") == (None, None, None)
    c.config.password = "pass:word"
    assert prepared(c, "ws://a/x") == (None, "CP1", "pass:word")
    assert prepared(c, "ws://a/x", 1) == (None, "CP1", "pass:word")
    assert c.set(KEY, NEW) == "Accepted"
    assert prepared(c, "ws://a/x", 1) == (None, "CP1", unhexlify(NEW))
    context, user, password = prepared(c, "wss://a/x", 2)
    assert context.verify_mode == 2 and (user, password) == ("CP1", unhexlify(NEW))
    context, user, password = prepared(c, "wss://a/x", 3)
    assert context.verify_mode == 2 and (user, password) == (None, None)


def test_what_is_missing():
    c = new(1)
    wanted = (
        "SecurityProfile %d needs a password: set AuthorizationKey, or password in config.json"
    )
    for profile in (1, 2):
        url = BOTH[profile - 1]
        assert trouble(c, url, profile) == wanted % profile
    c.config.password = "x"
    ca = "no CA: SecurityProfile %d needs that of the Central System as /certs/ca.der"
    client = "no client certificate: SecurityProfile 3 needs /certs/client.der and client.key.der"
    bad = "/certs/client.der, client.key.der: invalid %s in DER"
    for files, two, three in (
        ({}, ca % 2, ca % 3),
        ({"client.der": CLIENT, "client.key.der": CLIENT_KEY}, ca % 2, ca % 3),
        ({"ca.pem": CA, "xca.der": CA, "ca.der.old": CA}, ca % 2, ca % 3),
        ({"ca.der": "00" * 99},) + ("/certs/ca.der: not a certificate in DER",) * 2,
        ({"ca.der": CA[:400]},) + ("/certs/ca.der: not a certificate in DER",) * 2,
        ({"ca.der": CA, "ca2.der": ""},) + ("/certs/ca2.der: not a certificate in DER",) * 2,
        ({"ca.der": CA}, None, client),
        ({"ca-2027.der": CA, "client.der": CLIENT}, None, client),
        ({"ca.der": CA, "client.key.der": CLIENT_KEY}, None, client),
        ({"ca.der": CA, "client.der": CLIENT, "client.key.der": CLIENT}, None, bad % "key"),
        ({"ca.der": CA, "client.der": "3000", "client.key.der": CLIENT_KEY}, None, bad % "cert"),
    ):
        put_certificates(files)
        for profile, text in ((2, two), (3, three)):
            if text:
                assert trouble(c, "wss://a/x", profile) == text, (files.keys(), profile)
            else:
                assert prepared(c, "wss://a/x", profile)[0]
    vfs.umount("/certs")
    assert trouble(c, "wss://a/x", 2) == ca % 2


# What a failure means

CERTIFICATE = "TLS: The certificate "
UNKNOWN = CERTIFICATE + "is not correctly signed by the trusted CA"
WRONG = CERTIFICATE + "Common Name (CN) does not match with the expected CN"
EXPIRED = CERTIFICATE + "validity has expired"
FUTURE = CERTIFICATE + "validity starts in the future"


def explained(error, url="wss://csms.example:8443/x", profile=2):
    c = new(profile)
    text = failure.explain(error, c.config, c, url, security.level(c.config, c))
    assert "\n" not in text and len(text) < 185, (len(text), text)
    return text


def test_certificates_that_are_refused():
    for said_by_mbedtls, begins, ends in (
        (
            UNKNOWN,
            "TLS: unknown CA: put the CA",
            "of csms.example:8443 on this unit as /certs/ca.der",
        ),
        (WRONG, "TLS: wrong host: the certificate does not name csms.example:8443", "certificate"),
        (
            EXPIRED,
            "TLS: certificate expired: csms.example:8443 needs a new one (here it is 20",
            "Z)",
        ),
        (FUTURE, "TLS: certificate not yet valid: is the clock of csms.example:8443", "Z)"),
        (EXPIRED + "\n\n" + UNKNOWN, "TLS: unknown CA", "ca.der"),
        (WRONG + "\n\n" + UNKNOWN, "TLS: unknown CA", "ca.der"),
        (EXPIRED + "\n\n" + WRONG, "TLS: wrong host", "certificate"),
        (
            CERTIFICATE + "is signed with an unacceptable key",
            "TLS: certificate refused: csms.example:8443 needs another (The certificate is signed"
            " with an unacceptable key",
            "Z)",
        ),
    ):
        text = explained(Refused(0, said_by_mbedtls))
        assert text.startswith(begins) and text.endswith(ends), text


def test_a_unit_that_does_not_know_the_time():
    class Clock(failure.Clock):
        def now(self):
            return -631152000 + 60

    clock, failure.Clock = failure.Clock, Clock
    try:
        text = explained(Refused(0, FUTURE))
        assert text == (
            "TLS: this unit does not know the time, so no certificate is valid: set ntp"
            " (here it is 2000-01-01T00:01:00Z)"
        )
        assert explained(Refused(0, UNKNOWN)).startswith("TLS: unknown CA")
    finally:
        failure.Clock = clock


def test_answers_of_http():
    for profile, url in ((1, "ws://h/x"), (2, "wss://h/x")):
        for status, hint in (
            (
                400,
                "does it speak ocpp1.6 (config.json, protocols)? Is the url right?",
            ),
            (401, "is the password right (AuthorizationKey, or password in config.json)?"),
            (403, "may station CP1 connect here?"),
            (503, "the server has a problem of its own"),
            (429, "the server has a problem of its own"),
            (200, "is the url that of the Central System?"),
            (404, "does the Central System know station CP1? Is the path of url right?"),
            (308, "put the new address into url in config.json"),
            (101, "is this url for OCPP-J, in a version of protocols in config.json?"),
        ):
            assert explained(Refused(status, "text"), url, profile) == "text; " + hint
    wanted = "text; a password is wanted, and SecurityProfile 3 sends none"
    assert explained(Refused(401, "text"), profile=3) == wanted


def test_handshakes_that_end():
    """By the numbers of both ports: -29312 comes with a text or without, a broken pipe as 32 or
    -32, or as the end of the HTTP answer."""
    for number, text in (
        (
            -28288,
            "TLS: too old a version is spoken there: the Central System has to offer TLS 1.2",
        ),
        (
            -29184,
            "TLS: none is spoken there; is url in config.json right (port, ws:// or wss://)?",
        ),
    ):
        assert explained(OSError(number, "SSL - ...")) == explained(OSError(number)) == text
    for error in (
        OSError(32),
        OSError(-32),
        OSError(104),
        OSError(-29312),
        OSError(-29312, "MBEDTLS_ERR_SSL_CONN_EOF"),
        OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
        Refused(0, "connection ended in the handshake"),
    ):
        why = error.args[-1]
        # An alert is TLS; without one it may be that none is spoken there, which comes first then.
        alert = error.errno == -30592
        for profile, hint in (
            (3, "is the client certificate refused? Is its CA trusted, does client.key.der"),
            (2, "it may want a client certificate (SecurityProfile 3), or a version"),
        ):
            text = explained(error, profile=profile)
            if not alert:
                hint = "is it ws://? Or " + hint
            hint = "TLS: ended by the Central System (%s): %s" % (why, hint)
            assert text.startswith(hint), text
        text = explained(error, "ws://h/x", 1)
        if error.args != ("connection ended in the handshake",):
            assert text == "%s: ws://h/x" % error, text


def test_what_has_nothing_to_do_with_it():
    for url, profile in (("ws://h/x", 1), ("wss://h/x", 3)):
        text = explained(OSError(111), url, profile)
        assert text.startswith("[Errno 111] ECONNREFUSED: nobody listens at %s: does" % url), text
    assert explained(OSError(113), "ws://h/x", 1) == "[Errno 113] EHOSTUNREACH: ws://h/x"
    for error in (
        ValueError("not ws[s]://host"),
        Refused(0, "too many header lines"),
    ):
        for url, profile in (("ws://h/x", 1), ("wss://h/x", 3)):
            assert explained(error, url, profile) == str(error)
    assert explained(MemoryError()) == "MemoryError"
    error = OSError(-26240, "MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE")
    assert explained(error) == "TLS: MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE"
    for text in ("not an HTTP answer: ???", "connection ended in the handshake"):
        wanted = text + "; is url in config.json right (port, ws:// or wss://)?"
        assert explained(Refused(0, text), "ws://h/x", 1) == wanted


def test_which_security_event_it_is():
    """None where nobody said what is wrong."""
    names = station_security
    for error, profile, event in (
        (Refused(401, "text"), 1, names.NOT_AUTHENTICATED),
        (Refused(403, "text"), 3, names.NOT_AUTHENTICATED),
        (Refused(0, UNKNOWN), 2, names.BAD_CENTRAL_CERTIFICATE),
        (Refused(0, WRONG), 3, names.BAD_CENTRAL_CERTIFICATE),
        (Refused(0, EXPIRED), 2, names.BAD_CENTRAL_CERTIFICATE),
        (OSError(-28288), 2, names.BAD_TLS_VERSION),
        (OSError(-28160, "SSL - ..."), 3, names.BAD_CIPHER),
        (OSError(-30592), 3, names.NOT_AUTHENTICATED),
        (OSError(-30592), 2, None),
        (OSError(-29312), 3, None),
        (OSError(-29184), 2, None),
        (OSError(111), 1, None),
        (Refused(404, "text"), 1, None),
        (Refused(503, "text"), 2, None),
        (Refused(0, "connection ended in the handshake"), 2, None),
        (ValueError("no CA"), 2, None),
        (MemoryError(), 2, None),
    ):
        assert failure.event(error, profile) == event, error


# A new AuthorizationKey


def test_a_key_that_works():
    c = new(1, password="first")
    assert c.set(KEY, OLD) == "Accepted" and c.password() == unhexlify(OLD)
    works(c)
    assert said == ["AuthorizationKey: the new one works, the old one is forgotten"]
    fails(c, 401)
    assert c.password() == unhexlify(OLD) and not said, "there is no other one any more"
    assert "-" not in open("/flash/ocpp.json").read()
    assert power_on(1, password="first").password() == unhexlify(OLD)


def test_a_key_that_is_refused():
    for before in (None, OLD):  # (None: the password of config.json)
        for cut in (False, True):
            c = new(1, password="first")
            if before:
                c.set(KEY, OLD)
                works(c)
            assert c.set(KEY, NEW) == "Accepted" and c.password() == unhexlify(NEW)
            fails(c, 0)
            assert c.password() == unhexlify(NEW), "that was the network"
            if cut:
                c = power_on(1, password="first")
                assert c.password() == unhexlify(NEW) and not said
            fails(c, 401)
            assert said == ["AuthorizationKey: the new one is refused, the old one is tried"]
            assert c.password() == (before and unhexlify(before))
            user, password = prepared(c, "ws://a/x")[1:]
            assert (user, password) == ("CP1", unhexlify(before) if before else "first")
            if cut:  # nothing is settled yet
                c = power_on(1, password="first")
                assert c.password() == unhexlify(NEW)
                fails(c, 401)
            works(c)
            assert said == [
                "AuthorizationKey: the old one is in force again, for the new one did not work"
            ]
            for each in (c, power_on(1, password="first")):
                assert each.password() == (before and unhexlify(before))
                assert "-" not in open("/flash/ocpp.json").read()


def test_both_keys_are_refused():
    """Perhaps the Central System is being mended: each has its turn, until one works."""
    c = new(1, password="first")
    c.set(KEY, OLD)
    works(c)
    c.set(KEY, NEW)
    for _ in range(3):
        fails(c, 401)
        assert said[0].endswith("the old one is tried") and c.password() == unhexlify(OLD)
        fails(c, 401)
        assert said[0].endswith("the new one is tried") and c.password() == unhexlify(NEW)
    fails(c, 401)
    fails(c, 0)
    assert c.password() == unhexlify(NEW)
    works(c)
    assert c.password() == unhexlify(NEW)


def test_another_key_before_the_first_has_worked():
    """What is kept is the one that has worked last."""
    c = new(1, password="first")
    c.set(KEY, OLD)
    works(c)
    c.set(KEY, NEW)
    fails(c, 401)
    assert c.set(KEY, THIRD) == "Accepted" and c.password() == unhexlify(THIRD)
    fails(c, 401)
    assert c.password() == unhexlify(OLD)
    assert c.set(KEY, OLD) == "Accepted" and c.password() == unhexlify(OLD)
    fails(c, 401)
    assert c.password() == unhexlify(OLD) and not said


def test_the_first_key_of_a_unit_without_a_password():
    """Without a password there is nothing to fall back to."""
    c = new(0)
    assert c.set(KEY, NEW) == "Accepted"
    fails(c, 401)
    assert c.password() == unhexlify(NEW) and not said


def test_a_key_that_cannot_be_kept():
    c = new(1, password="first")
    c._path = "/there/is/none"
    assert c.set(KEY, NEW) == "Rejected" and c.password() is None


# A higher SecurityProfile


def test_what_is_refused():
    put_certificates({})
    for profile, url, password, value, why in (
        (1, BOTH, "x", "0", "can only be raised"),
        (2, BOTH, "x", "1", "can only be raised"),
        (3, BOTH, "x", "2", "can only be raised"),
        (2, BOTH, "x", "2", "can only be raised"),  # (A05.FR.01: lower or equal)
        (0, "ws://a", "", "1", "needs a password"),
        (1, "ws://a", "x", "2", "no wss:// address in url of config.json"),
        (0, "ws://a", "x", "3", "no wss:// address"),
        (1, BOTH, "x", "2", "no CA"),
        (0, BOTH, "", "2", "needs a password"),
        (2, BOTH, "x", "3", "no CA"),
    ):
        c = new(profile, url, password)
        assert c.set(PROFILE, value) == "Rejected" and c.value("security") == profile, value
        assert said[0].startswith("SecurityProfile stays %d, not %s: " % (profile, value)), said
        assert why in said[0] and len(said) == 1, said
        raises(OSError, os.stat, "/flash/ocpp.json")
    put_certificates({"ca.der": CA})
    c = new(2, password="x")
    assert c.set(PROFILE, "3") == "Rejected" and "no client certificate" in said[0]
    for bad in ("4", "-1", "", "x", "1.5", "true"):
        assert c.set(PROFILE, bad) == "Rejected"
    assert c.value("security") == 2


def test_raised_step_by_step():
    put_certificates(EVERYTHING)
    c = new(0, password="x")
    for profile in (1, 2, 3):
        assert c.set(PROFILE, str(profile)) == "Accepted" and level(c) == profile
        works(c)
        assert said == ["SecurityProfile: the new one works, the old one is forgotten"]
        for _ in range(9):
            fails(c, 401)
            assert level(c) == profile, "for good"
        c = power_on(0, password="x")
        assert c.value("security") == level(c) == profile
        assert c.set(PROFILE, str(profile - 1)) == "Rejected"


def test_a_raised_profile_that_cannot_connect():
    """A05.FR.08: three rounds over its addresses, then one with the profile before."""
    put_certificates(EVERYTHING)
    for cut in (False, True):
        c = new(1, ["ws://a", "wss://a", "wss://b", "wss://c"], "x")
        assert c.set(PROFILE, "2") == "Accepted"
        turns = []
        for _ in range(20):
            turns.append(level(c))
            fails(c)
        assert turns == ([2] * 9 + [1]) * 2
        for _ in range(9):
            fails(c)
        assert level(c) == 1
        if cut:
            c = power_on(1, c.config.url, "x")
            assert level(c) == 2, "it begins anew"
            for _ in range(9):
                fails(c)
        assert prepared(c, "ws://a")[0] is None
        works(c)
        assert said == [
            "SecurityProfile: the old one is in force again, for the new one did not work"
        ]
        for each in (c, power_on(1, c.config.url, "x")):
            assert each.value("security") == level(each) == 1
            fails(each)
            assert level(each) == 1


def test_config_json_raises_it_too_and_never_lowers_it():
    put_certificates(EVERYTHING)
    c = new(1, password="x")
    c.set(PROFILE, "2")
    works(c)
    assert power_on(0, password="x").value("security") == 2
    assert power_on(2, password="x").value("security") == 2
    assert power_on(3, password="x").value("security") == 3
    assert said == ["ocpp.json: SecurityProfile ignored"]


def test_a_key_and_a_profile_at_once():
    put_certificates(EVERYTHING)
    c = new(1, password="first")
    c.set(KEY, NEW)
    c.set(PROFILE, "2")
    assert prepared(c, "wss://a/x")[2] == unhexlify(NEW)
    fails(c, 401)
    assert level(c) == 2 and prepared(c, "wss://a/x")[2] == "first"
    works(c)
    assert len(said) == 2 and c.value("security") == 2 and c.password() is None


def test_a_key_that_no_connection_has_tried():
    """With profile 3 no password is sent, so nobody knows: both are kept."""
    put_certificates(EVERYTHING)
    c = new(3, password="first")
    c.set(KEY, NEW)
    works(c)
    assert not said and c.stored["-password"] == ""


# On flash


def test_a_power_cut_in_every_write():
    """Whatever is cut off: the unit has a key and a profile that were in force or were accepted,
    and one of the keys that it will try is that of the Central System."""
    put_certificates(EVERYTHING)
    cuts = 0
    for tear in (0, 3):
        dies_at = 0
        while True:
            chip = flash.Flash(8)
            c = power_on(1, password="first", chip=chip)
            chip.on()
            chip.dies_at, chip.tear = dies_at, tear
            good = None, "first"  # what the Central System takes, besides what was accepted
            profiles = {1}
            try:
                for key, profile in ((OLD, "2"), (NEW, "3")):
                    if c.set(KEY, key) != "Accepted":
                        break
                    good = unhexlify(key), None
                    works(c)
                    if chip.dead or c.set(PROFILE, profile) != "Accepted":
                        break
                    profiles.add(int(profile))
                    works(c)
            except OSError:
                pass
            if not chip.dead:
                break
            cuts += 1
            chip.on()
            c = power_on(1, password="first", chip=chip)
            # (a file that was never there before may be empty now)
            assert not said or good == (None, "first"), said
            tried = []
            for _ in range(2):
                tried.append((c.password(), None if c.password() else "first"))
                fails(c, 401)
            assert good in tried, (dies_at, good, tried)
            assert 1 <= level(c) <= max(profiles) + 1
            works(c)
            assert c.set(KEY, THIRD) == "Accepted"
            assert power_on(1, password="first").password() == unhexlify(THIRD)
            dies_at += 1
    print("%d power cuts" % cuts)
    assert cuts > 10


def test_what_is_damaged():
    for text, password, value in (
        ('{"-AuthorizationKey":"%s"}' % OLD, None, 1),
        ('{"-AuthorizationKey":7,"AuthorizationKey":"%s"}' % OLD, OLD, 1),
        ('{"-AuthorizationKey":"0","AuthorizationKey":"%s"}' % OLD, OLD, 1),
        ('{"-SecurityProfile":0,"SecurityProfile":2}', None, 2),
        ('{"-SecurityProfile":"1","SecurityProfile":"2"}', None, 1),
        ('{"-SecurityProfile":3,"SecurityProfile":2}', None, 2),
        ('{"-SecurityProfile":true,"SecurityProfile":2}', None, 2),
        ('{"-SecurityProfile":1}', None, 1),
        ('{"-HeartbeatInterval":1,"-":1,"":1,"--":2,"-SecurityProfile ":1}', None, 1),
    ):
        c = new(1, password="x")
        with open("/flash/ocpp.json", "w") as f:
            f.write(text)
        c = power_on(1, password="x")
        assert c.password() == (password and unhexlify(password)), text
        assert c.value("security") == value == level(c), text
        for _ in range(5):
            fails(c, 401)
            assert 1 <= level(c) <= value, text
        works(c)
        assert 1 <= c.value("security") <= value, text
