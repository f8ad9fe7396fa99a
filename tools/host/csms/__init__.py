"""The development Central System as a library: an OCPP 1.6J server for tests and demonstrations.

Knows OCPP-J framing, the official JSON schemas and routing of PyPI `ocpp`, and who is charging.
Strict both ways: what a station does wrong is kept in `Peer.violations`, for tests to assert.
Must not know terminals (csms_cli.py) nor anything of the firmware.
"""

from host.csms.central import CentralSystem
from host.csms.frames import (
    ERROR_CODES,
    CallError,
    SchemaError,
    WAIT_s,
    format_time,
    parse_time,
    schema_errors,
)

__all__ = (
    "CallError", "CentralSystem", "ERROR_CODES", "SchemaError", "WAIT_s", "format_time",
    "parse_time", "schema_errors",
)  # fmt: skip
