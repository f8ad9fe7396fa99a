"""Plays scenarios on the players, compares with the oracle, and makes a failing one small."""

import copy
import json
import os
import random
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from . import oracle as text
from . import scenarios
from .oracle import ORACLES, instant, iso, without_none

ROOT = Path(__file__).resolve().parents[2]
HEAP = "16M"
MAX_MESSAGE = 7168  # bytes of a report
NO_LIMIT = 10000  # tenths of A: from here on limits are all the same, the hardware decides
MAX_ANSWER, MAX_CHANGES = 96, 1000  # of a composite schedule (docs/configuration.md)
FAR = 0x3FFFFFFF
CLOCK_ERROR = 2  # seconds
TRIES = 1000  # of making a scenario small
EVERY_SECOND = 1500  # of a composite schedule up to so long; longer ones are sampled


class Difference(Exception):
    """what: the kind of difference; index: of the operation; who: the player."""

    def __init__(self, what, expected, came, note=""):
        super().__init__(what, expected, came, note)
        self.what, self.expected, self.came, self.note = what, expected, came, note
        self.index = self.who = None

    def __str__(self):
        return (
            f"{self.who}, operation {self.index}: {self.what} {self.note}\n"
            f"  expected {self.expected}\n  came     {self.came}"
        )


class Bound:
    """After an accepted request no more is allowed than the larger of what was before and what the
    new profile means once it has begun, also if the clock is then moved by CLOCK_ERROR."""

    def __init__(self, oracle, op):
        self.first = {number: oracle.limit(number, oracle.now)[0] for number in oracle.numbers}
        self.before = copy.deepcopy(oracle)
        self.op = op

    def accepted(self, oracle):
        self.after = copy.deepcopy(oracle)
        # (what others have replaced stays all the same)
        stayed = [p.fields for p in self.before.staying]
        self.after.staying = [p for p in self.after.staying if p.fields in stayed]
        if self.op[0] == "set":
            number = self.op[2]["chargingProfileId"]
            new = next(p for p in self.after.profiles if p.id == number)
            new.begun = True
            before, old = self.before, []
            for p in before.profiles:
                if oracle.replaces(new, p):
                    if p.begins() > before.now:
                        continue  # (it had not begun, and goes)
                    p.begun = True
                old.append(p)
            before.profiles = old

    def clock(self, t):
        self.before.clock(t)
        self.after.clock(t)

    def check(self, number, t, came, note):
        most = [o.limit(number, t)[0] for o in (self.before, self.after)] + [self.first[number]]
        if None not in most and (came is None or came > max(most)):
            raise Difference("bound", most, came, note)


class Player:
    def __init__(self, name, command, flaw=None):
        self.name = name
        self.folder = tempfile.TemporaryDirectory(prefix="prove-")
        self.command = [*command, "tests/prove/player.py", self.folder.name]
        self.command += [flaw] if flaw else []
        self._start()

    def _start(self):
        environment = {k: v for k, v in os.environ.items() if k != "MICROPYPATH"}
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def answer(self):
        said = []
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:]), said
            said.append(line)
        rc = self.process.wait()
        self.process.stdout.close()
        self._start()
        return f"the player ended with {rc}", said

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


def frame(action, payload):
    return ["frame", f'[2,"1","{action}",{json.dumps(payload, separators=(",", ":"))}]']


def in_201(p):
    """A profile as OCPP 2.0.1 has it."""
    p = dict(p)
    id, purpose = p.pop("chargingProfileId"), p.pop("chargingProfilePurpose")
    if "transactionId" in p:
        p["transactionId"] = f"tx:{p['transactionId']}"
    p["chargingProfilePurpose"] = text.PURPOSES_201.get(purpose, purpose)
    return {**p, "id": id, "chargingSchedule": [{"id": id, **p["chargingSchedule"]}]}


def frame_201(name, args):
    """What is said in OCPP 2.0.1 for an operation of a scenario."""
    if name == "set":
        payload = {"evseId": args[0], "chargingProfile": in_201(args[1])}
        return frame("SetChargingProfile", payload)
    if name == "clear":
        new = {"connectorId": "evseId", "stackLevel": "stackLevel"}
        criteria = {new[k]: args[0][k] for k in new if k in args[0]}
        if "chargingProfilePurpose" in args[0]:
            purpose = args[0]["chargingProfilePurpose"]
            criteria["chargingProfilePurpose"] = text.PURPOSES_201.get(purpose, purpose)
        payload = {"chargingProfileCriteria": criteria} if criteria else {}
        if "id" in args[0]:
            payload["chargingProfileId"] = args[0]["id"]
        return frame("ClearChargingProfile", payload)
    if name == "remote":
        payload = {"evseId": args[0], "remoteStartId": 1}
        payload["idToken"] = {"idToken": "TAG", "type": "Central"}
        if args[1] is not None:
            payload["chargingProfile"] = in_201(args[1])
        return frame("RequestStartTransaction", payload)
    if name == "report":
        payload = {"requestId": 5, "chargingProfile": {"chargingLimitSource": ["CSO"]}}
        return ["report", frame("GetChargingProfiles", payload)[1]]
    payload = {"evseId": args[0], "duration": args[1]}
    if args[2]:
        payload["chargingRateUnit"] = args[2]
    return frame("GetCompositeSchedule", payload)


def for_player(scenario):
    """The scenario as player.py takes it, and how many answers belong to each operation."""
    now, new_language = scenario["t"], scenario["protocol"] == "ocpp2.0.1"
    ops, counts = [["reboot", iso(now)]], [1]
    for name, *args in scenario["ops"]:
        if new_language and name in ("set", "clear", "remote", "report", "composite"):
            new = [frame_201(name, args)]
        elif name == "report":
            new = []
        elif name == "set":
            payload = {"connectorId": args[0], "csChargingProfiles": args[1]}
            new = [frame("SetChargingProfile", payload)]
        elif name == "clear":
            new = [frame("ClearChargingProfile", args[0])]
        elif name == "remote":
            payload = {"connectorId": args[0], "idTag": "TAG"}
            if args[1] is not None:
                payload["chargingProfile"] = args[1]
            new = [frame("RemoteStartTransaction", payload)]
        elif name == "composite":
            payload = {"connectorId": args[0], "duration": args[1]}
            if args[2]:
                payload["chargingRateUnit"] = args[2]
            new = [frame("GetCompositeSchedule", payload)]
        elif name in ("clock", "restore"):
            now = args[0]
            new = [["heartbeat" if name == "clock" else name, args[1]]]
        elif name == "reboot":
            new = [["reboot", iso(now)]]
        else:
            new = [[name, *args]]
            if name == "advance":
                now += args[0]
            elif name == "limits":
                now += (args[0] - 1) * args[1]
        ops += new
        counts.append(len(new))
    world = {key: scenario[key] for key in ("protocol", "connectors", "volts", "hardware_mA")}
    return json.dumps({**world, "ops": ops}) + "\n", counts


def outcome(answer):
    """A status, or a CALLERROR code."""
    frame = json.loads(answer, parse_float=Decimal)
    return frame[2].get("status") if frame[0] == 3 else frame[2]


class Checker:
    """Compares the answers of one player with the oracle. Counts what it compared."""

    def __init__(self, scenario, rng):
        self.oracle = ORACLES[scenario["protocol"]](
            scenario["connectors"],
            scenario["volts"],
            scenario["hardware_mA"] // 100,
            scenario["t"],
        )
        self.rng = rng
        self.bound = None
        self.counts = {"limit": 0, "composite": 0, "bound": 0, "report": 0}

    def check(self, op, answers):
        name, args = op[0], op[1:]
        if (name not in scenarios.IN_THE_DARK) if not self.oracle.known else name == "restore":
            raise Difference("no scenario", "something else", name)  # only a shrinker asks that
        if name == "restore" and args[0] <= self.oracle.latest():
            raise Difference("no scenario", "a time that was before", args[0])
        if name == "clock" and args[0] != self.oracle.now and self.oracle.drifted(args[0]):
            raise Difference("no scenario", "another time", args[0])  # (followed by and by)
        if name in ("limits", "composite", "report") and answers:
            getattr(self, "_" + name)(answers, *args)
        bound = Bound(self.oracle, op) if name in ("set", "clear") and self.oracle.known else None
        if name == "clock" and self.bound and abs(args[0] - self.oracle.now) <= CLOCK_ERROR:
            self.bound.clock(args[0])
        elif name not in ("limits", "advance", "composite", "report"):
            self.bound = None
        wanted = scenarios.follow(self.oracle, op)
        if wanted is not None:
            equal(name, wanted, outcome(answers[0]))
        if bound and wanted == "Accepted":
            bound.accepted(self.oracle)
            self.bound = bound
        if name in ("plug", "begin"):
            began = args[0] in self.oracle.tx
            if answers[0] and not began:
                raise Difference(name, "no transaction", "a transaction")

    def _limits(self, answers, n, step, poll):
        oracle = self.oracle
        self.counts["limit"] += n
        for number, runs in zip(oracle.numbers, answers[0], strict=True):
            begin, promises = oracle.now, []
            for count, mA, decider, until, _ in runs:
                came = None if mA is None else min(mA // 100, NO_LIMIT)
                if mA is not None and mA % 100:
                    raise Difference("limits.tenths", "tenths", mA)
                for t in range(begin, begin + count * step, step):
                    limit, deciders = oracle.limit(number, t)
                    if limit is not None and limit >= NO_LIMIT:
                        limit = NO_LIMIT
                        deciders = {decider}
                    note = f"connector {number} at {iso(t)}"
                    equal("limits.limit", limit, came, note)
                    if self.bound:
                        self.bound.check(number, t, came, note)
                        self.counts["bound"] += 1
                    if decider not in deciders:
                        raise Difference("limits.decider", deciders, decider, note)
                    if until <= t:
                        raise Difference("limits.until", f"> {t}", until, note)
                    promises = [p for p in promises if p[0] > t]
                    if any(promised != limit for _, promised in promises):
                        raise Difference("limits.promise", limit, promises, note)
                    if (until, limit) not in promises:
                        promises.append((until, limit))
                begin += count * step

        self._offered(answers[0], n, step)

    def _offered(self, runs, n, step):
        # What the cars are offered: to nobody without a transaction, never more than a connector's
        # limit, nor in sum than the ceiling; all of it where nobody else wants any.
        oracle = self.oracle
        offers = [[run[4] for run in each for _ in range(run[0])] for each in runs]
        for i, offered in enumerate(zip(*offers, strict=True)):
            t = oracle.now + i * step
            note = f"{offered} at {iso(t)}"
            ceiling, _ = oracle.limit(0, t)
            ceiling = min(text.NOTHING if ceiling is None else ceiling, oracle.imposed(0, t))
            if sum(offered) > ceiling * 100:
                raise Difference("offered.sum", ceiling, offered, note)
            for number, mA in zip(oracle.numbers, offered, strict=True):
                if number not in oracle.tx:
                    equal("offered.idle", 0, mA, note)
                    continue
                limit, _ = oracle.limit(number, t)
                limit = oracle.hardware if limit is None else min(limit, oracle.hardware)
                limit = min(limit, oracle.imposed(number, t))
                if mA > limit * 100 or mA < limit * 100 and len(oracle.tx) == 1 and limit >= 60:
                    raise Difference("offered", limit * 100, mA, note)

    def _composite(self, answers, number, duration, unit):
        oracle, now = self.oracle, self.oracle.now
        frame = json.loads(answers[0], parse_float=Decimal)
        new_language = self.oracle.unknown == "Rejected"
        if number not in (0, *oracle.numbers):
            equal("composite.status", [3, "Rejected"], [frame[0], frame[2].get("status")])
            equal("composite.reason", new_language, "statusInfo" in frame[2])
            return
        asked_unit, unit = unit, unit or "A"
        if frame[0] != 3 or frame[2].get("status") != "Accepted":
            raise Difference("composite.status", "Accepted", frame)
        conf = frame[2]
        schedule = conf.pop("schedule" if new_language else "chargingSchedule")
        place, begin = ("evseId", schedule) if new_language else ("connectorId", conf)
        said = begin.pop(place), begin.pop("scheduleStart"), conf
        equal("composite.conf", (number, iso(now), {"status": "Accepted"}), said, asked_unit)
        periods, length = schedule.pop("chargingSchedulePeriod"), schedule.pop("duration")
        equal("composite.unit", {"chargingRateUnit": unit}, schedule)
        starts = [p["startPeriod"] for p in periods]
        inside = [s for s in starts if 0 <= s < max(length, 1)]
        if starts != sorted(set(inside)) or starts[:1] != [0] or len(starts) > MAX_ANSWER:
            raise Difference("composite.starts", "0 < ... < duration", starts)
        said = [(self._tenths(p), p.get("numberPhases")) for p in periods]
        for a, b in zip(said, said[1:], strict=False):
            if (a[0], a[1] or 3) == (b[0], b[1] or 3):
                raise Difference("composite.merged", "neighbours differ", said)
        if length != duration:
            self._short(number, unit, length, duration, said)
        i = 0
        for s in self._seconds(starts, length):
            while i + 1 < len(starts) and starts[i + 1] <= s:
                i += 1
            limit, phases = oracle.composite(number, now + s, now, unit)
            note = f"connector {number}, {unit}, second {s} of {length} from {iso(now)}"
            equal("composite.limit", limit, said[i][0], note)
            # It may be left out when it is 3
            equal("composite.phases", phases or 3, said[i][1] or 3, note)
            self.counts["composite"] += 1

    def _report(self, answers):
        # What is told of the profiles is what was installed.
        answer, messages = answers[0]
        wanted = sorted(self.oracle.installed(), key=by_id)
        status = json.loads(answer)[2]["status"]
        equal("report.status", "Accepted" if wanted else "NoProfiles", status)
        if any(len(each) > MAX_MESSAGE for each in messages):
            raise Difference("report.size", MAX_MESSAGE, list(map(len, messages)))
        messages = [json.loads(each, parse_float=Decimal) for each in messages]
        told = [(m["evseId"], as_told(p)) for m in messages for p in m["chargingProfile"]]
        equal("report.profiles", wanted, sorted(told, key=by_id))
        more = [True] * (len(messages) - 1) + [False] * bool(messages)
        equal("report.tbc", more, [m.get("tbc", False) for m in messages])
        self.counts["report"] += len(told)

    def _tenths(self, period):
        limit = period["limit"] * 10
        if limit != int(limit):
            raise Difference("composite.tenths", "at most one decimal", period["limit"])
        return int(limit)

    def _short(self, number, unit, length, duration, said):
        # It ends early only where the next period would be the 97th, or after 1000 changes.
        now = self.oracle.now
        if length < duration:
            limit, phases = self.oracle.composite(number, now + length, now, unit)
            follows = (limit, phases or 3) != (said[-1][0], said[-1][1] or 3)
            if len(said) == MAX_ANSWER and follows:
                return
            if len(edges(self.oracle, now, length)) >= MAX_CHANGES:
                return
        raise Difference("composite.duration", duration, length, f"{len(said)} periods")

    def _seconds(self, starts, length):
        if length <= EVERY_SECOND:
            return range(max(length, 1))
        places = edges(self.oracle, self.oracle.now, length)
        places = self.rng.sample(places, min(len(places), 300))
        places += starts + [self.rng.randrange(length) for _ in range(60)] + [0, length - 1]
        return sorted({s for p in places for s in (p - 1, p) if 0 <= s < length})


def by_id(one):
    return one[1]["id"]


def as_told(p):
    """A reported profile, its instants as seconds and its limits in tenths."""
    (schedule,) = p["chargingSchedule"]
    for where, names in ((p, ("validFrom", "validTo")), (schedule, ("startSchedule",))):
        where.update({name: instant(where[name]) for name in names if name in where})
    if "minChargingRate" in schedule:
        schedule["minChargingRate"] *= 10
    for period in schedule["chargingSchedulePeriod"]:
        period["limit"] *= 10
    return without_none(p)


def equal(what, expected, came, note=""):
    if expected != came:
        raise Difference(what, expected, came, note)


def edges(oracle, now, length):
    """Seconds after `now` at which some profile begins or ends to say something."""
    out = {until - now for _, until, _ in oracle.outside.values() if until is not None}
    for p in oracle.profiles + oracle.staying:
        out.update(t - now for t in (p.valid_from, p.valid_to, p.until) if t is not None)
        places = p.starts + ([p.duration] if p.duration is not None else [])
        if p.start is not None:
            origins = [p.start]
        elif p.purpose == text.CEILING:
            origins = [p.received]
        else:
            origins = [now, *(tx[1] for tx in oracle.tx.values())]
        for origin in origins:
            if p.kind == "Recurring":
                first = max(0, (now - origin) // p.every)
                last = (now + length - origin) // p.every
                for turn in range(first, last + 1):
                    begin = origin + turn * p.every - now
                    out.update(begin + s for s in places if s < p.every)
            else:
                out.update(origin + s - now for s in places)
    return sorted(s for s in out if 0 < s < length)


class Prover:
    """The players, and what they were asked."""

    def __init__(self, interpreters, flaws=None):
        """`interpreters`: {name: command}; `flaws`: {name: flaw of player.py}."""
        flaws = flaws or {}
        self.players = [Player(n, c, flaws.get(n)) for n, c in interpreters.items()]
        self.counts = {"scenarios": 0, "limit": 0, "composite": 0, "bound": 0, "report": 0}

    def close(self):
        for player in self.players:
            player.close()

    def play(self, scenario):
        """In the language that it says, or in each. Raises Difference."""
        if "protocol" not in scenario:
            for protocol in ORACLES:
                self.play(scenarios.spoken(scenario, protocol))
            return
        line, counts = for_player(scenario)
        for player in self.players:
            player.ask(line)
        answers = {player.name: player.answer() for player in self.players}
        first = None
        for name, (said, noise) in answers.items():
            try:
                if isinstance(said, str):
                    raise Difference("crash", "answers", said, "".join(noise)[-2000:])
                groups = grouped(said, counts)
                # What is the same as a checked player's answer need not be checked again.
                if first is None:
                    first = groups, self._check(scenario, groups)
                else:
                    compared(groups, first[0])
            except Difference as d:
                d.who = name
                raise
        checker = first[1]
        self.counts["scenarios"] += 1
        for key, count in checker.counts.items():
            self.counts[key] += count

    def _check(self, scenario, groups):
        checker = Checker(scenario, random.Random(0))
        for i, (op, group) in enumerate(zip(scenario["ops"], groups[1:], strict=True)):
            try:
                checker.check(op, group)
            except Difference as d:
                d.index = i
                raise
        return checker


def grouped(answers, counts):
    out, at = [], 0
    for n in counts:
        out.append(answers[at : at + n])
        at += n
    return out


def decoded(answers):
    """The order of an object's fields is no difference."""
    if isinstance(answers, list):
        return [decoded(each) for each in answers]
    return json.loads(answers, parse_float=str) if isinstance(answers, str) else answers


def compared(groups, others):
    """Raises Difference if two players did not say the same."""
    for i, (came, expected) in enumerate(zip(groups, others, strict=True)):
        if came != expected and decoded(came) != decoded(expected):
            d = Difference("players differ", expected, came)
            d.index = i - 1
            raise d


# Shrinking


def shrink(scenario, failing, tries=TRIES):
    """The smallest scenario found in so many tries for which failing(scenario) is still true."""
    left = iter(range(tries))

    def fails(smaller):
        return next(left, None) is not None and failing(smaller)

    before = None
    while scenario != before:
        before = scenario
        scenario = with_fewer_ops(scenario, fails)
        scenario = without_power_cuts(scenario, fails)
        for key, plain in (("connectors", 1), ("volts", 230), ("hardware_mA", 32000)):
            if scenario[key] != plain and fails({**scenario, key: plain}):
                scenario = {**scenario, key: plain}
        for i in range(len(scenario["ops"]) - 1, -1, -1):
            scenario = with_smaller_op(scenario, i, fails)
    return scenario


def with_fewer_ops(scenario, fails):
    size = len(scenario["ops"]) // 2
    while size:
        for at in range(len(scenario["ops"]) - size, -1, -size if size > 2 else -1):
            ops = scenario["ops"]
            gone = ops[at : at + size]
            passed = sum((op[1] - 1) * op[2] for op in gone if op[0] == "limits")
            passed += sum(op[1] for op in gone if op[0] == "advance")
            for instead in ([], [["advance", passed]]):
                smaller = {**scenario, "ops": ops[:at] + instead + ops[at + size :]}
                if gone != instead and fails(smaller):
                    scenario = smaller
                    break
        size = 2 if size == 3 else size // 2
    return scenario


def without_power_cuts(scenario, fails):
    """Of each, and of those before the time is told, only the new time is left."""
    i = 0
    while i < len(scenario["ops"]):
        ops = scenario["ops"]
        ends = [k for k in range(i, len(ops)) if ops[k][0] == "restore"]
        if ops[i][0] == "cut" and ends:
            inside = [op for op in ops[i : ends[0]] if op[0] != "cut"]
            inside.append(["clock", *ops[ends[0]][1:]])
            smaller = {**scenario, "ops": ops[:i] + inside + ops[ends[0] + 1 :]}
            if fails(smaller):
                scenario = smaller
        i += 1
    return scenario


def with_smaller_op(scenario, i, fails):
    progress = True
    while progress:
        progress = False
        ops = scenario["ops"]
        for new in smaller_op(ops[i]):
            smaller = {**scenario, "ops": ops[:i] + new + ops[i + 1 :]}
            if fails(smaller):
                scenario, progress = smaller, True
                i += len(new) - 1
                break
    return scenario


def smaller_op(op):
    name, args = op[0], op[1:]
    if name == "limits":
        n, step, poll = args
        if n > 1:
            yield [[name, n // 2, step, poll]]
            yield [["advance", n // 2 * step], [name, n - n // 2, step, poll]]
            yield [[name, n - 1, step, poll]]
            yield [["advance", step], [name, n - 1, step, poll]]
        if poll:
            yield [[name, n, step, False]]
    elif name == "composite" and args[1] > 1:
        for part in (2, 8, 64, 512, args[1]):  # (second by second takes all the tries)
            yield [[name, args[0], args[1] - max(1, args[1] // part), args[2]]]
        if args[0] > 1:
            yield [[name, 1, args[1], args[2]]]
    elif name in ("set", "remote") and args[1]:
        for p in smaller_profile(args[1]):
            yield [[name, args[0], p]]
        if args[0] > 1:
            yield [[name, 1, args[1]]]


def smaller_profile(p):
    said = p["chargingSchedule"]["chargingSchedulePeriod"]
    size = len(said) // 2
    while size:
        for at in range(0, len(said), size):
            q = copy.deepcopy(p)
            rest = q["chargingSchedule"]["chargingSchedulePeriod"]
            del rest[at : at + size]
            if rest:
                rest[0]["startPeriod"] = 0
                yield q
        size //= 2
    for name, (where, required) in scenarios.PLACES.items():
        for k in range(len(said)) if where[-1:] == (0,) else (0,):
            q = copy.deepcopy(p)
            obj = q
            for key in where[:-1] + (k,) if where[-1:] == (0,) else where:
                obj = obj[key]
            if not required and name in obj:
                del obj[name]
                yield q
            elif name == "stackLevel" and obj[name]:
                obj[name] = 0
                yield q
            elif name == "limit" and obj[name] not in (10, 16):
                obj[name] = 10
                yield q


def interpreters(names=None):
    """{name: command} of those that there are; the missing ones."""
    found = {
        "cpython": [sys.executable],
        "mp64": os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython"),
        "mp32": os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32"),
        "mpesp": os.environ.get("MICROPYTHON_ESP")
        or str(ROOT / "build/micropython-esp/micropython-esp"),
    }
    missing = []
    for name in ("mp64", "mp32", "mpesp"):
        if Path(found[name]).exists():
            found[name] = [found[name], "-X", "heapsize=" + HEAP]
        else:
            missing.append(f"{name} at {found.pop(name)}")
    return {n: c for n, c in found.items() if not names or n in names}, missing
