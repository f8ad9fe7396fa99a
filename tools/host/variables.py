"""Names of OCPP 2.0.1's variables, as people write them.

OCPPCommCtrlr.HeartbeatInterval              component and variable
OCPPCommCtrlr.MessageAttempts[TransactionEvent]      an instance, of either
EVSE@1.Power, Connector@1:1.AvailabilityState        of an EVSE, of its connector
EVSE@1.Power/MaxSet                          another attribute than Actual
"""

import re

_PART = r"([^\[\]@./:]+)(?:\[([^\[\]]+)\])?"
_COMPONENT = rf"{_PART}(?:@(\d+)(?::(\d+))?)?"
_VARIABLE = rf"\.{_PART}(?:/(Actual|Target|MinSet|MaxSet))?"
_NAME = re.compile(rf"{_COMPONENT}(?:{_VARIABLE})?")


def parse_variable(text, all_of_it=False):
    """The entry of a GetVariables.req for a name; ValueError if it is none.

    all_of_it: it may be a component's, which stands for all its variables.
    """
    match = _NAME.fullmatch(text)
    if not match or not (match[5] or all_of_it):
        raise ValueError(
            f"{text!r} is not COMPONENT.VARIABLE, like OCPPCommCtrlr.HeartbeatInterval"
        )
    component, instance, evse, connector, variable, its_instance, attribute = match.groups()
    entry = {"component": {"name": component}}
    if variable:
        entry["variable"] = {"name": variable}
    if instance:
        entry["component"]["instance"] = instance
    if evse:
        entry["component"]["evse"] = {"id": int(evse)}
    if connector:
        entry["component"]["evse"]["connectorId"] = int(connector)
    if its_instance:
        entry["variable"]["instance"] = its_instance
    if attribute:
        entry["attributeType"] = attribute
    return entry


def format_variable(entry):
    """The name of what has a component, perhaps a variable, perhaps an attributeType."""

    def part(one):
        return one["name"] + (f"[{one['instance']}]" if "instance" in one else "")

    text, evse = part(entry["component"]), entry["component"].get("evse")
    if evse:
        text += f"@{evse['id']}" + (f":{evse['connectorId']}" if "connectorId" in evse else "")
    if "variable" in entry:
        text += "." + part(entry["variable"])
    attribute = entry.get("attributeType") or "Actual"
    return text if attribute == "Actual" else f"{text}/{attribute}"
