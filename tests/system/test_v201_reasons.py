"""OCPP 2.0.1: every reasonCode that the firmware can say is one of the specification."""

import ast

from host.build import ROOT

# Part 2, appendix 5, and what B09 says of network profiles.
CODES = set(
    """CSNotAccepted DuplicateProfile DuplicateRequestId FixedCable FwUpdateInProgress
    InternalError InvalidCSR InvalidCertificate InvalidIdToken InvalidMessageSeq
    InvalidProfile InvalidSchedule InvalidStackLevel InvalidURL InvalidValue
    MissingDevModelInfo MissingParam NoCable NoError NotEnabled NotFound OutOfMemory
    OutOfStorage ReadOnly TooLargeElement TooManyElements TxInProgress TxNotFound TxStarted
    UnknownConnectorId UnknownConnectorType UnknownEvse UnknownTxId Unspecified
    UnsupportedParam UnsupportedRateUnit UnsupportedRequest ValueOutOfRange ValuePositiveOnly
    ValueTooHigh ValueTooLow ValueZeroNotAllowed WriteOnly InvalidConfSlot InvalidNetworkConf
    NoSecurityDowngrade""".split()
)

STATUSES = "Rejected", "Duplicate", "UnsupportedMonitorType"  # of one of several


def texts(node, constants):
    """Every text that an expression can be, as far as it is written there."""
    if isinstance(node, ast.Constant):
        return {node.value} - {None}
    if isinstance(node, ast.IfExp):
        return texts(node.body, constants) | texts(node.orelse, constants)
    if isinstance(node, ast.Name) and node.id in constants:
        return {constants[node.id]}
    return set()


def codes(path):
    """reasonCodes of a module: of refused(), Refused, results (status, code, words) of one of
    several, and of tables "status code words|..." that are called _ANSWERS."""
    tree, found, constants = ast.parse(path.read_text()), set(), {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            try:
                value = ast.literal_eval(node.value.args[0])
            except (ValueError, IndexError):
                continue
            constants[node.targets[0].id] = value
    for row in str(constants.get("_ANSWERS", "")).split("|"):
        found |= set(row.split(" ", 2)[1:2]) - {""}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("refused", "Refused"):
            found |= set().union(*[texts(arg, constants) for arg in node.args[1:2]])
        if isinstance(node, ast.Tuple) and len(node.elts) == 3:
            status, code, _ = node.elts
            if isinstance(status, ast.Constant) and status.value in STATUSES:
                found |= texts(code, constants)
    return found


def test_every_reason_code_is_of_the_specification():
    paths = sorted((ROOT / "firmware/ocpp/v201").glob("*.py"))
    found = {path.name: codes(path) for path in paths}
    assert {name: said - CODES for name, said in found.items() if said - CODES} == {}
    assert len(set().union(*found.values())) > 25


async def test_what_is_not_ours(bench201):
    """O, displays; L03 and L04, local controllers: known, and not supported."""
    async with bench201() as b:
        for action in (
            "SetDisplayMessage",
            "GetDisplayMessages",
            "ClearDisplayMessage",
            "PublishFirmware",
            "UnpublishFirmware",
        ):
            await b.refused(action, {}, "NotSupported")
