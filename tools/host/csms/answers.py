"""The settings of the Central System: what it answers, and what it keeps of what it was told."""

from datetime import datetime, timezone

from host.csms.answers_16 import Answers16
from host.csms.answers_201 import Answers201
from host.csms.frames import format_time
from host.csms.languages import V16, V201

STRICT, GAPS = "strict", "gaps"  # values of Answers.sequences


class Answers:
    """Its attributes are settings, read at each request: change them at will."""

    def __init__(self):
        self.boot_status = "Accepted"
        self.heartbeat_interval = 300
        self.now = lambda: datetime.now(timezone.utc)
        # A tag (the idToken of 2.0.1) -> its status, or the fields of its idTagInfo by their
        # names in either version.
        self.tags = {}
        self.default_tag_status = "Accepted"
        self.next_transaction_id = 1
        self.transactions = {}
        # How TransactionEvents of one transaction must follow each other: STRICT; GAPS: numbers
        # may be left out, of events for which a station had no room; None: is not looked at.
        self.sequences = STRICT
        self._answers = {}
        self._usual = {V16: Answers16(self), V201: Answers201(self)}

    def answer(self, action, fn):
        """Answer the request `action` with fn(payload) from now on; fn None: as usual again.

        fn, plain or async, returns the payload of the answer (sent as it is, a fault is only
        logged), raises or returns a CallError, or returns None: the request stays unanswered.
        """
        if fn is None:
            self._answers.pop(action, None)
        else:
            self._answers[action] = fn

    def handler(self, station, action):
        """The function payload -> answer for a request, or None."""
        if action in self._answers:
            return self._answers[action]
        return self._usual[station.language].handler(station, action)

    def tag_info(self, tag):
        """What is said of a tag, as a new dict; tags compare without case."""
        for known, info in self.tags.items():
            if known.lower() == tag.lower():
                info = {"status": info} if isinstance(info, str) else info
                return {
                    key: format_time(value) if isinstance(value, datetime) else value
                    for key, value in info.items()
                }
        return {"status": self.default_tag_status}

    def note_request(self, station, action, payload):
        """Keep what a valid request says, whatever the answer will be."""
        if action == "BootNotification":
            station.history.boot = payload
        self._usual[station.language].note_request(station, action, payload)

    def note_answer(self, station, action, payload, answer):
        """Keep what an answer of ours settles."""
        if action == "BootNotification":
            station.history.registration = answer.get("status")
            station.history.triggered.clear()
        self._usual[station.language].note_answer(station, action, payload, answer)
