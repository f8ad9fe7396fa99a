"""The local list; releases that arrive, and who has signed them."""

from bench import measurement
from bench.evaluator import script


@measurement
def local_list():
    """A list of 1,000 tags: a look-up, and what it costs to write it anew. Most of the time goes
    into the flash, which is in RAM and in Python: an ESP32's differs."""
    return script("bench_lists")


@measurement
def releases():
    """150 KB that arrive, their SHA-256, and the check of a signature on P-256 with the
    certificate for it. Times are this machine's: an ESP32 takes 77 to 115 times as long, but for
    the SHA-256, which is C there, too. On the 64-bit port, whose objects are twice as large."""
    return script("bench_release")
