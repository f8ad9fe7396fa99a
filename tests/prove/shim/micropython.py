"""What firmware/ takes from MicroPython's module of this name, for CPython."""


def const(value):
    return value
