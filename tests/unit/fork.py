"""Copies of this process (fork), on the ports that have ffi: the 32-bit ones."""

import array
import ffi
import sys

_KILL, _DIES_WITH_ITS_PARENT = 9, 1  # SIGKILL, PR_SET_PDEATHSIG
_libc = ffi.open(None)
_fork = _libc.func("i", "fork", "")
_prctl = _libc.func("i", "prctl", "iiiii")
_waitpid = _libc.func("i", "waitpid", "ipi")
_status = array.array("i", (0,))


def forked():
    """True in a copy of this process, which goes on with all that this one has. False in this one,
    once the copy is at its end, and that a good one: what it said stands above otherwise."""
    pid = _fork()
    if pid == 0:
        _prctl(_DIES_WITH_ITS_PARENT, _KILL, 0, 0, 0)
        return True
    assert pid > 0 and _waitpid(pid, _status, 0) == pid
    assert _status[0] == 0, "in a copy of this process, above"
    return False


def apart(function, *args):
    """function(*args) in a copy of this process; in this one all stays as it is."""
    if forked():
        function(*args)
        sys.exit()
