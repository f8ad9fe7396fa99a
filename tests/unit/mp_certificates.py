"""station/certificates.py and storage/certificates.py: which roots and pairs the unit takes, in
which order it shows them, what is left after a power cut. (Whole stations, certificates of others:
tests/system/test_certification_certificates.py.)"""

import gc
import os
import sys
import vfs

import flash
from generators import run
from issuer import CLIENT, SERVER, T0, Issued, name, pem, root
from rig import seeded, share

from firmware.ocpp import security as dialled
from firmware.station import certificates, security
from upki import cert, csr, der, p256

HEAP = "700K"
BOTH = True
CHIP = True
SWEEPS = ("test_power_cuts_of_roots", "test_power_cuts_of_pairs", "test_any_order")

files = certificates.files
CENTRAL, MAKER = certificates.CENTRAL, certificates.MAKER
DONE, INVALID, UNKNOWN, FAILED = range(4)
EPOCH_2020_s = 1577836800
CN, OPERATOR = "SERIAL-1", "The operator"
BAD, BAD_OWN = security.BAD_CENTRAL_CERTIFICATE, security.BAD_OWN_CERTIFICATE


class Clock:
    now_s = T0 - EPOCH_2020_s

    def now(self):
        return self.now_s

    def plausible(self, t):
        return t > 100000000


class Unit:
    """What is seen of a Station."""

    auth = "/auth"

    def __init__(self):
        self.clock, self.lines, self.untold = Clock(), [], False
        self.log = self.lines.append

    def local(self):
        pass

    def notify(self):
        pass

    def events(self):
        """Those noted since the last time."""
        out = [line[3] for line in security.log(self).lines()]
        for left in os.listdir(self.auth):
            os.remove(self.auth + "/" + left)
        return out


CHIPS = flash.Flash(16), flash.Flash(6)  # (new ones would leave the heap in pieces)


def unit():
    """A unit with nothing on it; `chip` is its flash."""
    u = Unit()
    u.chip = CHIPS[0]
    for chip in CHIPS:
        chip.on()
        vfs.VfsLfs2.mkfs(chip)
    for chip, path in zip(CHIPS, ("/certs", "/auth")):
        flash.mount(chip, path)
    return u


def put(file, data):
    with open("/certs/" + file, "wb") as f:
        f.write(data)


def flipped(data):
    """With another last bit."""
    return data[:-1] + bytes((data[-1] ^ 1,))


async def install(u, one, kind=CENTRAL, linked=False):
    return await certificates.install(u, kind, one if isinstance(one, str) else one.pem(), linked)


async def asked(u):
    """The public key of a new request."""
    text = await certificates.request(CN, OPERATOR)
    (data,) = der.unpem(text, "CERTIFICATE REQUEST")
    info = der.only(der.cut(der.only(memoryview(data), 0x30), 0x30)[0], 0x30)
    return bytes(der.cut(der.cut(info[3:], 0x30)[1], 0x30)[0])[-65:]


async def take(u, *chain, on_trial=False):
    text = "".join([one if isinstance(one, str) else one.pem() for one in chain])
    return await certificates.take(u, [text], CN, OPERATOR, on_trial)


def own(issuer, public, common=CN, organization=OPERATOR, purpose=CLIENT, **more):
    subject = name(common, organization)
    return Issued(subject, issuer, purpose=purpose, public=public, **more)


def shown():
    """The names of the pairs, in order; the first one is loaded as for a dial."""
    import tls

    every = list(files.pairs())
    if every:
        files.show(tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), *every[0][1:])
    return [one[0] for one in every]


# Roots


async def test_a_root_is_installed_named_and_removed():
    u = unit()
    one, two = root("One"), root("Two")
    assert await certificates.listed(CENTRAL) == []
    for kind in (CENTRAL, MAKER):
        for each in (one, two):
            assert await install(u, each, kind) == DONE
        assert sorted(files.roots(kind)) == sorted((one.der, two.der))
        wanted = [cert.hashes(c, c) for c in map(cert.Certificate, files.roots(kind))]
        assert await certificates.listed(kind) == wanted
    assert u.events() == [security.RECONFIGURED] * 4 and len(files.names(MAKER)) == 2
    ops = u.chip.ops
    assert await install(u, one) == DONE and u.chip.ops == ops, "it is there already"
    c = cert.Certificate(one.der)
    hashes = cert.hashes(c, c)
    for wrong in (0, 1, 2):
        other = list(hashes)
        other[wrong] = "ab" * 32
        assert await certificates.remove(u, other, True) == UNKNOWN
    written = [text.upper() for text in hashes[:2]] + ["00" + hashes[2]]
    for _ in range(2):  # (it lies there for both)
        assert await certificates.remove(u, written, True) == DONE
    assert await certificates.remove(u, written, True) == UNKNOWN
    assert list(files.roots(CENTRAL)) == list(files.roots(MAKER)) == [two.der]
    assert "upki" not in sys.modules and "upki.cert" not in sys.modules


async def test_the_last_root_of_central_systems():
    u = unit()
    one = root()
    c = cert.Certificate(one.der)
    put("ca.der", one.der)
    assert await install(u, root("Maker"), MAKER) == DONE
    assert await certificates.remove(u, cert.hashes(c, c), False) == FAILED
    assert "stays" in u.lines[-1] and files.names(CENTRAL) == ["ca.der"]
    assert await install(u, root("Next")) == DONE
    assert await certificates.remove(u, cert.hashes(c, c), False) == DONE
    (c,) = map(cert.Certificate, files.roots(MAKER))
    assert await certificates.remove(u, cert.hashes(c, c), False) == DONE, (
        "of makers none is needed"
    )


async def test_roots_that_are_none():
    u = unit()
    good, other = root(), root("Other")
    text = good.pem()
    between = Issued(name("Between"), other, ca=True)
    for wrong, why in (
        (Issued(name("No CA")).pem(), "no CA"),
        (between.pem(), "issued by another"),
        (Issued(good.subject, other, ca=True).pem(), "issued by another"),
        (root(days=(-9, -1)).pem(), "expired"),
        (root(days=(1, 9)).pem(), "not yet valid"),
        (text + other.pem(), "more than 1"),
        ("", "no certificate"),
        ("x" * 5500, "no certificate"),
        (pem(good.der, "PUBLIC KEY"), "no certificate"),
        (pem(good.der + b"x"), "DER"),
        (pem(good.der[:-1]), "DER"),
        (pem(flipped(good.der)), "signature"),
        ("-----BEGIN CERTIFICATE-----\n\ud800\n-----END CERTIFICATE-----", ""),
    ):
        for kind, event in ((CENTRAL, BAD), (MAKER, security.BAD_SIGNER)):
            assert await install(u, wrong, kind) == INVALID, wrong
            assert why in u.lines[-1], (why, u.lines[-1])
            assert u.events() == [event] and files.names(kind) == []
    for cut in share(len(text), 1):
        if await install(u, text[:cut]) != INVALID:
            assert text[cut:].strip("-\n") == "", cut
    assert await install(u, text) == DONE


async def test_a_clock_that_nobody_has_set():
    u = unit()
    u.clock.now_s = -EPOCH_2020_s
    assert await install(u, root()) == DONE, "who knows"


async def test_a_store_that_is_full():
    u = unit()
    for i in range(4):
        put("ca-%d.der" % i, b"%d" % i)
        put("maker-%d.der" % i, b"%d" % i)
    assert await install(u, root()) == FAILED and "8" in u.lines[-1]
    assert await install(u, root(), MAKER) == FAILED
    files.remove("maker-0.der")
    assert await install(u, root()) == DONE


async def test_a_flash_that_is_full():
    u = unit()
    one = root()
    assert await install(u, one) == DONE
    public = await asked(u)
    for size in (512, 100):
        for i in range(999):
            try:
                put("x%d.%d" % (size, i), b"x" * size)
            except OSError:
                break
    before = sorted(os.listdir("/certs"))
    assert await install(u, root("Two")) == FAILED and "not installed" in u.lines[-1]
    assert await install(u, root("Two"), MAKER) == FAILED
    for on_trial in (False, True):
        assert await take(u, own(one, public), on_trial=on_trial) == FAILED
    assert sorted(os.listdir("/certs")) == before and files.asked()
    try:
        await asked(u)
        raise AssertionError
    except OSError:
        assert csr.decode(files.asked())[1] == public


async def test_what_cannot_be_read_is_not_called_wrong():
    """No memory, or a flash that does not give it: FAILED, or a MemoryError, and no event."""
    u = unit()
    ca = root()
    put("ca.der", ca.der)
    one, real = own(ca, await asked(u)), files.read
    before = sorted(os.listdir("/certs"))
    for error in (OSError(5), MemoryError()):
        for file, work in (
            ("request", lambda: take(u, one)),
            ("ca.der", lambda: take(u, one)),
            ("ca.der", lambda: install(u, root("Next"))),
        ):

            def read(name, file=file, error=error):
                if name == file:
                    raise error
                return real(name)

            files.read = read
            try:
                assert await work() == FAILED and isinstance(error, OSError)
            except MemoryError:
                assert isinstance(error, MemoryError)
            finally:
                files.read = real
            assert u.events() == [] and sorted(os.listdir("/certs")) == before
    assert await take(u, one) == DONE


async def test_a_root_in_place_of_another():
    """With the key roll-over of the white paper: who is signed by the one before takes its place,
    which stays until a connection by the new one alone has worked."""
    u = unit()
    first = root("First")
    second = Issued(name("Second"), first, ca=True)
    third = Issued(name("Third"), second, ca=True)
    assert await install(u, first, linked=True) == DONE, "there was none"
    for wrong in (root("Second"), Issued(name("x"), root("First"), ca=True), third):
        assert await install(u, wrong, linked=True) == INVALID and u.events()[-1] == BAD
    maker = root("Maker")
    assert await install(u, maker, MAKER, True) == INVALID, "nobody that is known has signed it"
    assert await install(u, maker, MAKER) == DONE
    assert await install(u, root("Rogue"), MAKER, True) == INVALID
    assert await install(u, Issued(name("Next"), maker, ca=True), MAKER, True) == DONE
    assert len(files.names(MAKER)) == 2, "it takes nobody's place"
    assert await install(u, second, linked=True) == DONE
    assert set(files.roots(CENTRAL)) == {first.der, second.der}
    assert files.read(files.FALLBACK) == first.der
    assert await install(u, Issued(name("x"), first, ca=True), linked=True) == INVALID
    assert await install(u, third, linked=True) == DONE
    assert set(files.roots(CENTRAL)) == {first.der, third.der}, "the first has worked"
    assert files.read(files.FALLBACK) == first.der


# The unit's own pair


async def test_a_key_that_is_made_here():
    unit()
    public = await asked(None)
    assert csr.decode(files.asked())[1] == public and os.listdir("/certs") == ["request"]
    again = await asked(None)
    assert csr.decode(files.asked())[1] == again != public
    for common, organization in (("", OPERATOR), (CN, ""), (CN, "x" * 65)):
        try:
            await certificates.request(common, organization)
            raise AssertionError
        except ValueError:
            assert csr.decode(files.asked())[1] == again


async def test_a_certificate_is_taken():
    for between in (0, 1, 2):
        for on_trial in (False, True):
            u = unit()
            ca = root()
            put("ca.der", ca.der)
            chain = []
            for i in range(between):
                ca = Issued(name("Between %d" % i), ca, ca=True)
                chain.insert(0, ca)
            one = own(ca, await asked(u))
            given = [one] + chain + ([list(files.roots(CENTRAL))[0]] if between == 2 else [])
            given = [pem(x) if isinstance(x, bytes) else x for x in given]
            assert await take(u, *given, on_trial=on_trial) == DONE, u.lines
            assert u.events() == [security.RECONFIGURED] and files.asked() is None
            assert shown() == ["new0" if on_trial else "own"]
            ((_, key, kept, text),) = files.pairs()
            assert csr.decode(key)[1] == one.public and kept == one.der
            wanted = [one.der] + [x.der for x in chain] if chain else []
            assert list(der.unpem(text)) == wanted, "without the root"
            assert await take(u, *given) == INVALID, "nothing was asked for any more"


async def test_certificates_that_are_not_taken():
    u = unit()
    ca, other = root(), root("Other")
    between, leaf = Issued(name("Between"), ca, ca=True), Issued(name("No CA"), ca)
    put("ca.der", ca.der)
    assert await take(u, own(ca, root().public)) == INVALID and "none was asked" in u.lines[-1]
    assert u.events() == [BAD_OWN]
    public = await asked(u)
    good = own(ca, public)
    text = good.pem()
    for wrong, why in (
        ([own(ca, other.public)], "key that was made here"),
        ([own(ca, public, "SERIAL-2")], "not for SERIAL-1"),
        ([own(ca, public, CN, "Another")], "not for The operator"),
        ([own(ca, public, CN, None)], "not for The operator"),
        ([own(ca, public, OPERATOR, CN)], "not for"),
        ([own(other, public)], "no root has signed it"),
        ([own(other, public), other], "no root has signed it"),
        ([own(ca, public, days=(-9, -1))], "expired"),
        ([own(ca, public, days=(1, 9))], "not yet valid"),
        ([own(ca, public, purpose=SERVER)], "extKeyUsage"),
        ([own(between, public)], "no root has signed it"),
        ([own(leaf, public), leaf], "no CA"),
        ([own(between, public), ca], "issued by another"),
        ([between, good], "key that was made here"),
        ([good] * 7, "more than 6"),
        ([""], "no certificate"),
        ([pem(flipped(good.der))], "signature"),
    ):
        for on_trial in (False, True):
            assert await take(u, *wrong, on_trial=on_trial) == INVALID, why
            assert why in u.lines[-1] and "not taken" in u.lines[-1], (why, u.lines[-1])
            assert u.events() == [BAD_OWN], why
        assert shown() == [] and files.asked()
    for cut in share(len(text), 1):
        if await take(u, text[:cut]) != INVALID:
            assert text[cut:].strip("-\n") == "", cut
            await certificates.request(CN, OPERATOR)
            return
    assert await take(u, good) == DONE


async def test_chance_damages_what_comes():
    """Whatever the bytes are: nothing but INVALID, and nothing on flash."""
    random = seeded("certificates")
    u = unit()
    ca = root()
    put("ca.der", ca.der)
    good = own(ca, await asked(u)).der
    before = sorted(os.listdir("/certs"))
    for _ in range(150):
        data = bytearray(good)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.getrandbits(8)
        if data == good:
            continue
        if random.randrange(2):
            data = data[: random.randrange(len(data))]
        text = bytearray(pem(data).encode())
        if random.randrange(3) == 0:
            text[random.randrange(len(text))] = random.randrange(32, 127)
        try:
            text = bytes(text).decode()
        except UnicodeError:
            continue
        if list(unpemmed(text)) == [good]:
            continue
        assert await take(u, text) == INVALID
        assert await install(u, text) == INVALID
    assert sorted(os.listdir("/certs")) == before


def unpemmed(text):
    try:
        yield from der.unpem(text)
    except ValueError:
        pass


def a_pair(issuer):
    key, public = run(p256.generate())
    return csr.encode(key, public), [own(issuer, public).der]


async def test_which_pair_is_shown():
    unit()
    ca = root()
    owners, first, second = a_pair(ca), a_pair(ca), a_pair(ca)
    assert shown() == []
    put("client.der", owners[1][0])
    assert shown() == [], "its key is missing"
    put("client.key.der", owners[0])
    assert shown() == ["client.der"] and files.worked("client.der") is None
    files.keep(*first, False)
    assert shown() == ["own", "client.der"]
    files.keep(*second, True)
    assert shown() == ["new0", "own", "client.der"]
    for n in (1, 2):
        assert files.refused("new%d" % (n - 1)) is False
        assert shown() == ["new%d" % n, "own", "client.der"]
    assert files.refused("new2") is True and shown() == ["own", "client.der", "new3"]
    assert files.refused("own") is False and shown()[0] == "new0", "it has its turn again"
    for n in range(3):
        files.refused("new%d" % n)
    assert files.worked("own") is False and shown() == ["own", "client.der"], "that is that"
    files.keep(*second, True)
    files.refused("new0")
    assert files.worked("new1") is True and shown() == ["own", "client.der"]
    assert list(files.pairs())[0][1] == second[0]
    # The owner puts another one there: that is what is wanted.
    put("client.der", first[1][0])
    put("client.key.der", first[0])
    assert shown() == ["client.der", "own"]
    files.keep(*second, True)
    assert shown() == ["new0", "client.der", "own"], "it came after that"
    files.remove("client.key.der")
    assert shown() == ["new0", "own"]
    put("own", b"\2" + files.read("own")[1:])
    assert shown() == ["new0"], "of a later firmware"
    for cut in (0, 1, 3, 30, 200):
        put("new0", files.read("new0")[:cut])
        assert shown() == []


async def test_the_only_pair_is_shown_however_often_it_is_refused():
    unit()
    files.keep(*a_pair(root()), True)
    for _ in range(9):
        files.refused(shown()[0])
    assert shown() == ["new3"] and files.worked("new3") is True and shown() == ["own"]


# Dials (ocpp/security.py)


class Settings:
    stored = {}

    def __init__(self, profile):
        self.profile, self.refused, self.failed = profile, 0, 0
        self.slot = 1

    def value(self, name):
        return 1 if name == "slot" else self.profile

    def password(self):
        return b"x"


class Config:
    url = ["wss://a"]
    id = "CP1"
    password = ""


ALERT = OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")
STRANGER = OSError("TLS: The certificate is not correctly signed by the trusted CA")


def dial(settings, error=None, station=None):
    """-> (the pair that was shown, was it the turn of all roots?, is it dialled again at once?)"""
    lines = []
    dialled.prepare(Config, settings, "wss://a/CP1")
    turn = dialled._shown, bool(settings.refused & 2)
    if error:
        return turn + (dialled.failed(settings, error, lines.append),)

    def note(*event):
        security.note(station, *event)

    dialled.worked(Config, settings, lines.append, note, dialled.level(Config, settings))
    return turn + (lines,)


async def test_a_pair_on_trial():
    u = unit()
    ca = root()
    put("ca.der", ca.der)
    files.keep(*a_pair(ca), False)
    for refused in (ALERT, OSError(104), OSError("connection ended in the handshake")):
        settings = Settings(3)
        files.keep(*a_pair(ca), True)
        for _ in range(9):
            for not_its_fault in (OSError(111), OSError(113), STRANGER, OSError("nothing")):
                assert dial(settings, not_its_fault) == ("new0", False, False)
        for n, again in ((0, False), (1, False), (2, True)):
            assert dial(settings, refused) == ("new%d" % n, False, again)
        assert dial(settings, OSError(111)) == ("own", False, False)
        lines = dial(settings, station=u)[2]
        assert lines == ["the old certificate is in force again, for the new one did not work"]
        assert u.events() == [BAD_OWN] and shown() == ["own"]
    for before in (0, 2):
        settings, pair = Settings(3), a_pair(ca)
        files.keep(*pair, True)
        for _ in range(before):
            dial(settings, ALERT)
        lines = dial(settings, station=u)[2]
        assert lines == ["the new certificate works, the old one is forgotten"]
        assert u.events() == [] and shown() == ["own"] and list(files.pairs())[0][1] == pair[0]
        assert dial(settings, station=u) == ("own", False, [])
    # With another profile no pair is shown, and none is judged.
    files.keep(*a_pair(ca), True)
    for _ in range(5):
        assert dial(Settings(2), ALERT) == (None, False, False)
    assert dial(Settings(2)) == (None, False, []) and shown()[0] == "new0"


async def test_a_pair_that_tls_does_not_read_is_passed_over():
    u = unit()
    ca = root()
    put("ca.der", ca.der)
    files.keep(*a_pair(ca), False)
    files.keep(b"x", [b"y"], True)
    assert dial(Settings(3), station=u)[0] == "own" and shown() == ["own"]
    assert u.events() == [BAD_OWN]


async def test_a_root_on_trial():
    """By the new one alone; where the peer is not known by that, at once by both."""
    u = unit()
    first = root("First")
    put("ca.der", first.der)
    assert await install(u, Issued(name("Second"), first, ca=True), linked=True) == DONE
    for profile in (2, 3):
        files.keep(*a_pair(first), False)
        settings = Settings(profile)
        assert dial(settings, OSError(111))[1:] == (False, False)
        for _ in range(3):
            assert dial(settings, STRANGER)[1:] == (False, True)
            assert dial(settings, STRANGER)[1:] == (True, False)
        assert dial(settings, STRANGER)[1:] == (False, True)
        assert dial(settings)[1:] == (True, []), "it still shows the old one"
        assert files.FALLBACK in files.names(CENTRAL)
    assert dial(settings)[1:] == (False, ["the new root works, the old one is forgotten"])
    assert len(files.names(CENTRAL)) == 1 and files.FALLBACK not in files.names(CENTRAL)
    assert dial(settings, STRANGER)[1:] == (False, False)


async def test_a_root_on_trial_elsewhere():
    """Who is moved to is believed by the new one alone (M05.FR.15)."""
    u = unit()
    first = root("First")
    put("ca.der", first.der)
    assert await install(u, Issued(name("Second"), first, ca=True), linked=True) == DONE
    settings = Settings(2)
    for slot in (2, 2, 1):
        settings.slot = slot
        assert dial(settings, STRANGER)[1:] == (False, slot == 1)
    assert dial(settings)[1:] == (True, [])


async def test_which_roots_are_told():
    """One that was replaced is, and stays while none other has worked; one that was removed is
    not."""
    u = unit()
    first, second = root("First"), None
    put("ca.der", first.der)
    second = Issued(name("Second"), first, ca=True)
    assert await install(u, second, linked=True) == DONE
    assert files.listed(CENTRAL) == files.names(CENTRAL) and len(files.names(CENTRAL)) == 2
    for one in (first, second):
        c = cert.Certificate(one.der)
        assert await certificates.remove(u, cert.hashes(c, c), False) == FAILED
    c = cert.Certificate(first.der)
    assert await certificates.remove(u, cert.hashes(c, c), True) == DONE
    other = root("Other")
    assert await install(u, other) == DONE
    c = cert.Certificate(other.der)
    assert await certificates.remove(u, cert.hashes(c, c), False) == DONE
    assert len(files.names(CENTRAL)) == 2 and len(files.listed(CENTRAL)) == 1
    assert await install(u, other) == DONE and len(files.listed(CENTRAL)) == 2


# The power


async def cuts(prepare, act, good):
    """Cut the power at each operation of `act`, of which nothing, a part or all happens; `good`
    says what must be true afterwards; the act again, and it must have its whole effect."""
    u = await prepare()
    blank = bytes(u.chip.data)
    u.chip.on()
    await act(u)
    total, cut = u.chip.ops, 0
    whole = good(True)
    assert total
    for at in share(3 * total):
        gc.collect()
        u.chip.restore(blank)
        flash.mount(u.chip, "/certs")
        u.chip.dies_at, u.chip.tear = at // 3, (0, 3, 8)[at % 3]
        try:
            await act(u)
        except OSError:
            pass
        cut += u.chip.dead
        u.chip.on()
        flash.mount(u.chip, "/certs")
        good(False)
        await act(u)
        assert good(True) == whole, at
        assert u.chip.misused == 0
    print("%d of %d operations cut" % (cut, total))
    assert cut


async def test_power_cuts_of_roots():
    first, second, other = root("First"), root("Second"), root("Other")
    third = Issued(name("Third"), first, ca=True)
    c = cert.Certificate(second.der)
    hashes = cert.hashes(c, c)

    async def prepare():
        u = unit()
        put("ca.der", first.der)
        put("ca-2.der", second.der)
        return u

    def good(done):
        there = set(files.roots(CENTRAL))
        assert first.der in there
        assert there <= {first.der, second.der, third.der, other.der}
        assert set(files.roots(MAKER)) <= {other.der}
        return done and (there, files.names(CENTRAL), files.names(MAKER))

    for act in (
        lambda u: install(u, other),
        lambda u: install(u, other, MAKER),
        lambda u: install(u, third, linked=True),
        lambda u: certificates.remove(u, hashes, False),
    ):
        await cuts(prepare, act, good)


async def test_power_cuts_of_pairs():
    ca = root()
    old, new = a_pair(ca), a_pair(ca)

    async def prepare():
        u = unit()
        files.keep(*old, False)
        files.keep(*new, True)
        return u

    other = a_pair(ca)

    async def promoted(u):
        if files.pending():
            files.worked("new0")

    async def given_up(u):
        files.worked("own")

    async def refused(u):
        if files.pending() == "new0":
            files.refused("new0")

    async def on_trial(u):
        files.keep(*other, True)

    async def at_once(u):
        files.keep(*other, False)

    for act, right in (
        (promoted, ([new[0], old[0]], [new[0]])),
        (given_up, ([new[0], old[0]], [old[0]])),
        (refused, ([new[0], old[0]],)),
        (on_trial, ([new[0], old[0]], [old[0]], [other[0], old[0]])),
        (at_once, ([new[0], old[0]], [old[0]], [other[0]])),
    ):

        def good(done):
            assert shown()
            there = [one[1] for one in files.pairs()]
            assert there in right, there  # noqa: B023
            return done and there

        await cuts(prepare, act, good)


async def test_any_order():
    """Of all that can be done with pairs: what is shown first is what a table of its own says."""
    random = seeded("pairs")
    ca = root()
    pairs = [a_pair(ca) for _ in range(5)]
    for _ in range(8):
        unit()
        mine = new = None  # keys
        tries = 0
        for _ in range(40):
            what = random.randrange(6)
            pair = pairs[random.randrange(5)]
            first = list(files.pairs())[:1]
            used = first and first[0][0]
            if what == 0:
                files.keep(*pair, False)
                mine, new = pair[0], None
            elif what == 1:
                files.keep(*pair, True)
                new, tries = pair[0], 0
            elif what == 2 and used:
                is_new = used[:3] == "new"
                files.worked(used)
                if new and is_new:
                    mine = new
                new = None
            elif used and what > 2:
                again = files.refused(used)
                if new and used[:3] == "new" and tries < 3:
                    tries += 1
                    assert again is (tries == 3)
                elif new and used[:3] != "new" and tries == 3:
                    tries = 0
            wanted = new if new and (tries < 3 or not mine) else mine
            first = list(files.pairs())[:1]
            assert (first[0][1] if first else None) == wanted, (what, tries)
