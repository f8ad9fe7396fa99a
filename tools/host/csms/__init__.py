"""The development Central System as a library: an OCPP-J server for tests and demonstrations.

Knows OCPP-J framing, the official JSON schemas and routing of PyPI `ocpp`, and who is charging, in
OCPP 1.6 and 2.0.1: a connection speaks what was negotiated on it.
Strict both ways: what a station does wrong is kept in `Peer.violations`, for tests to assert.
Must not know terminals (csms_cli.py) nor anything of the firmware.
"""

from host.csms.central import CentralSystem
from host.csms.frames import CallError, SchemaError, WAIT_s, format_time, parse_time
from host.csms.languages import LANGUAGES, V16, V201, schema_errors

ERROR_CODES = V16.codes

__all__ = (
    "CallError", "CentralSystem", "ERROR_CODES", "LANGUAGES", "SchemaError", "V16", "V201",
    "WAIT_s", "format_time", "parse_time", "schema_errors",
)  # fmt: skip
