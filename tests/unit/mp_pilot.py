"""electrical/pilot.py against docs/electrical.md 1 and 2, over their whole range."""

from firmware.electrical import pilot

BOTH = True
CHIP = True

HIGH_RANGE = 52500
SIX_mA = 6005  # what the least duty of 10 % that 13 bits have tells a car


def says(duty):
    """A car's table, docs/electrical.md 2, in integers: mA for a duty of 65536."""
    percent = duty * 100
    if percent < 8 * 65536:
        return 0
    if percent < 10 * 65536:
        return 6000
    if percent <= 85 * 65536:
        return duty * 60000 // 65536
    if percent <= 96 * 65536:
        return (duty * 100 - 64 * 65536) * 2500 // 65536
    return 80000 if percent <= 97 * 65536 else 0


def test_reference_values():
    for amps, duty in (
        (6, 6560),
        (10, 10922),
        (13, 14199),
        (16, 17476),
        (20, 21845),
        (25, 27306),
        (32, 34952),
        (48, 52428),
        (63, 58458),
        (80, 62914),
    ):
        assert pilot.duty_u16(1000 * amps) == duty, amps


def test_every_milliampere_with_16_bits():
    for mA in range(80001):
        duty = pilot.duty_u16(mA)
        if mA < 6000:
            assert duty == pilot.STEADY, mA
            continue
        advertised = says(duty)
        assert advertised <= max(mA, SIX_mA), (mA, advertised)
        if 51000 < mA <= HIGH_RANGE + 1:
            assert duty == 55705, mA
        else:
            assert advertised >= mA - 4, (mA, advertised)


def test_every_milliampere_with_the_13_bits_of_newer_chips():
    for mA in range(80001):
        duty = pilot.duty_u16(mA)
        if mA < 6000:
            assert duty == pilot.STEADY, mA  # (which the driver does not shorten)
            continue
        advertised = says(duty >> 3 << 3)
        assert advertised <= max(mA, SIX_mA), (mA, advertised)
        # (with 13 bits the gap ends at the first step above 85 %)
        if not 51000 < mA < HIGH_RANGE + 31:
            assert advertised >= mA - 31, (mA, advertised)


def test_six_ampere_are_ten_percent_on_every_chip():
    for bits in (16, 13):
        for mA in range(6000, 6100):
            duty = pilot.duty_u16(mA) >> (16 - bits)
            assert duty * 10 >= 1 << bits, (bits, mA, duty)


def test_duty_rises_with_the_limit():
    before = 0
    for mA in range(6000, 80001):
        duty = pilot.duty_u16(mA)
        assert duty >= before, mA
        before = duty


def test_out_of_range():
    for mA in (-(2**29), -1, 0, 1, 5999):
        assert pilot.duty_u16(mA) == pilot.STEADY and pilot.advertisable_mA(mA) == 0, mA
    for mA in (80001, 100000, 2**30 - 1, 2**40):
        assert pilot.duty_u16(mA) == 62914 and pilot.advertisable_mA(mA) == 80000, mA


def test_what_can_be_said():
    for mA in range(6000, 80001):
        said = pilot.advertisable_mA(mA)
        assert said <= mA and pilot.duty_u16(said) == pilot.duty_u16(mA), mA
        assert said - 4 <= says(pilot.duty_u16(mA)) <= max(said, SIX_mA), mA


# Down to which level the high part still counts as A, B, C, D, by the state it comes from: the
# midpoints 10.5, 7.5, 4.5 and 1.5 V, and 0.3 V to leave a state.
DOWN_TO = {
    pilot.A: (10200, 7200, 4200, 1200),
    pilot.B: (10800, 7200, 4200, 1200),
    pilot.C: (10800, 7800, 4200, 1200),
    pilot.D: (10800, 7800, 4800, 1200),
    pilot.E: (10800, 7800, 4800, 1800),
    pilot.F: (10800, 7800, 4800, 1800),
}


def test_states_at_every_millivolt_from_every_state():
    for before, levels in DOWN_TO.items():
        for mV in range(13000, -13001, -1):
            expected = 4
            for s in (3, 2, 1, 0):
                if mV >= levels[s]:
                    expected = s
            assert pilot.state(mV, before) == expected, (before, mV)


def test_windows():
    for mV in range(-14000, 14001):
        inside = False
        for nominal in (12000, 9000, 6000, 3000, 0):
            inside = inside or nominal - 1200 <= mV < nominal + 1200
        assert pilot.clear(mV) == inside, mV
        if inside:  # inside a window the state does not depend on the one before
            states = [pilot.state(mV, before) for before in range(6)]
            assert min(states) == max(states) == 4 - (mV + 1200) // 3000, mV


def test_a_diode_is_told_from_its_short():
    # docs/electrical.md 1: healthy -12 V +- 0.6 V; shorted -8.8 V at its lowest (B), 5 % off
    assert -11400 < pilot.DIODE_mV
    assert -8800 * 105 // 100 > pilot.DIODE_mV
