"""The versions of OCPP-J that are spoken: subprotocols, error codes and the official schemas."""

import json
import re
from decimal import Decimal

from jsonschema import FormatChecker
from ocpp.messages import MessageType, get_validator
from ocpp.v16.enums import Action as Action16
from ocpp.v201.enums import Action as Action201

from host.csms.frames import parse_time

_FORMATS = FormatChecker(formats=())  # an instance of our own: jsonschema ships no date-time check


@_FORMATS.checks("date-time", raises=ValueError)
def _check_date_time(value):
    return not isinstance(value, str) or bool(parse_time(value))


class Language:
    """One version.

    `codes`: the error codes of its CALLERRORs, with its own spelling; `shape`, `missing`,
    `bad_frame`: those of them for an unknown field, a missing one, and what is no frame.
    `reports`: request of ours -> what it has the station send, whatever its registration.
    """

    def __init__(self, version, actions, codes, *, shape, missing, bad_frame, reports):
        self.version = version  # as PyPI `ocpp` names its schemas
        self.protocol = f"ocpp{version}"  # the WebSocket subprotocol
        self.actions = frozenset(action.value for action in actions)
        self.codes = tuple(codes.split())
        self.bad_frame = bad_frame
        self._reports = reports
        # The code that a fault of the schema earns; all other keywords are property constraints.
        self._faults = {
            "type": "TypeConstraintViolation",
            "required": missing,
            "additionalProperties": shape,
        }

    def __repr__(self):
        return self.protocol

    def asked_for(self, action, payload):
        """The actions that a station may use, although it is not registered, after a request."""
        if action == "TriggerMessage":
            return {payload.get("requestedMessage")}
        return {self._reports[action]} if action in self._reports else set()

    def schema_errors(self, action, payload, answer=False):
        """The faults of a payload as (error code, text) pairs, by the schema of the action.

        `answer` chooses the schema of the answer. An action that this version does not have is
        one fault.
        """
        if action not in self.actions:
            return [("NotImplemented", f"OCPP {self.version} has no action {action!r}")]
        kind = MessageType.CallResult if answer else MessageType.Call
        validator = get_validator(kind, action, self.version, parse_float=Decimal)
        # Decimal, as `ocpp` does it: 21.4 is no multiple of 0.1 in binary floating point.
        exact = json.loads(json.dumps(payload), parse_float=Decimal)
        faults = []
        try:
            for error in validator.evolve(format_checker=_FORMATS).iter_errors(exact):
                path = error.absolute_path
                place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
                text = re.sub(r"Decimal\('([^']*)'\)", r"\1", error.message)
                text = text if len(text) < 200 else f"{text[:90]} ... {text[-90:]}"
                code = self._faults.get(error.validator, "PropertyConstraintViolation")
                faults.append((code, f"{place[1:]}: {text}" if place else text))
        except (TypeError, ArithmeticError):  # multipleOf of 1e300 or of infinity
            faults.append(("PropertyConstraintViolation", "a number is out of any range"))
        return faults


#: OCPP-J 1.6, section 4.2.3 has its codes.
V16 = Language(
    "1.6",
    Action16,
    "NotImplemented NotSupported InternalError ProtocolError SecurityError FormationViolation "
    "PropertyConstraintViolation OccurenceConstraintViolation TypeConstraintViolation "
    "GenericError",
    shape="FormationViolation",
    missing="OccurenceConstraintViolation",
    bad_frame="FormationViolation",
    reports={},
)
#: OCPP 2.0.1, part 4, section 4.3 has its codes; B02.FR.01 what a station may report.
V201 = Language(
    "2.0.1",
    Action201,
    "FormatViolation GenericError InternalError MessageTypeNotSupported NotImplemented "
    "NotSupported OccurrenceConstraintViolation PropertyConstraintViolation ProtocolError "
    "RpcFrameworkError SecurityError TypeConstraintViolation",
    shape="FormatViolation",
    missing="OccurrenceConstraintViolation",
    bad_frame="RpcFrameworkError",
    reports={"GetBaseReport": "NotifyReport", "GetReport": "NotifyReport"},
)
LANGUAGES = {language.protocol: language for language in (V201, V16)}  # the newest first


def schema_errors(action, payload, answer=False, language=V16):
    """See Language.schema_errors."""
    return language.schema_errors(action, payload, answer)
