"""Rows of whole numbers, texts and None as bytes. In a file a row is its length in a byte (bit 7:
it stands alone), its values, each as the difference from the row before, and a check byte."""

from binascii import crc32
from micropython import const

SMALL = const(120)  # bytes in a small file; LittleFS keeps 128 inline
_ALONE = const(0x80)


def pack(values, before=()):
    """`values` as bytes, knowing those of `before`. A value is None (0), as before (1), a text (2,
    its length, itself), or a number: 3 + the difference, zigzag, 7 bits a byte, lowest first."""
    out = bytearray()
    for i, v in enumerate(values):
        old = before[i] if i < len(before) else 0
        if v is None:
            out.append(0)
        elif type(v) is str and v == old:
            out.append(1)
        elif type(v) is str:
            text = v.encode()
            out.extend(bytes((2, len(text))) + text)
        else:
            n = v - old if type(old) is int else int(v)
            n = 3 + (n << 1 if n >= 0 else ~n << 1 | 1)
            while n > 127:
                out.append(n & 127 | 128)
                n >>= 7
            out.append(n)
    return out


def unpack(data, before=()):
    """The values of pack(), as a tuple. IndexError or ValueError: it is something else."""
    out = []
    at = 0
    while at < len(data):
        n = shift = 0
        while not shift or data[at - 1] > 127:
            n |= (data[at] & 127) << shift
            shift += 7
            at += 1
        old = before[len(out)] if len(out) < len(before) else 0
        if n == 2:
            end = at + 1 + data[at]
            if end > len(data):
                raise ValueError("text")
            old = str(data[at + 1 : end], "utf-8")
            at = end
        elif n != 1:
            n -= 3
            old = None if n < 0 else (n >> 1 ^ -(n & 1)) + (old if type(old) is int else 0)
        out.append(old)
    return tuple(out)


def read(f, before):
    """The next row of a file, or None at its end. IndexError or ValueError: it is damaged."""
    head = f.read(1)
    if not head:
        return None
    data = f.read((head[0] & (_ALONE - 1)) + 1)
    if len(data) < 4 or crc32(data[:-1]) & 0xFF != data[-1]:
        raise ValueError("check byte")
    return unpack(data[:-1], () if head[0] & _ALONE else before)
