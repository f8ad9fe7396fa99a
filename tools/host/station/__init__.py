"""tools/station: the whole firmware as one process on the host, on a simulated wall.

For people who test Central Systems, and for our own tests. The firmware runs unchanged on the
MicroPython unix port (tools/sim/board.py); this process is the wall that it hangs on: mains,
contactors, meters, cars, and the power that fails and comes back.
"""
