"""Modules that are in RAM only while somebody uses them: seldom code is worth more as heap."""

import sys

# `import os` looks for a file of that name first, in each folder, unless it is found here: that
# takes an ESP32 20 ms, each time that a module which is loaded for a moment says so.
for _name in "array binascii hashlib json os re time".split():
    sys.modules[_name] = __import__(_name)


def load(name):
    """Module firmware.`name`, which lives for as long as the caller holds it."""
    name = "firmware." + name
    module = __import__(name, None, None, ("_",))  # (in MicroPython any name will do)
    forget(name)
    return module


def forget(name):
    """Let go of module `name`, if it is there."""
    if name in sys.modules:
        del sys.modules[name]
        package, _, name = name.rpartition(".")
        delattr(sys.modules[package], name)
