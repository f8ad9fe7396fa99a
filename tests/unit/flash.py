"""A flash chip in RAM for LittleFS, whose power can fail in the middle of anything."""

import gc
import os
import vfs

BLOCK = 4096
EIO = -5
FOLDER = "/flash/profiles"


class Flash:
    """NOR flash of `blocks` blocks: programming only clears bits, erasing sets them.

    | attribute | meaning |
    |---|---|
    | ops, erases | how many programs and erases there were; how many erases |
    | dies_at   | the number of the operation that the power cut hits, or None |
    | tear      | how many eighths of that operation still happen |
    | cut       | cut(number of an operation): does the power cut hit it? Or None |
    | fails_at  | the number of an operation that does nothing and says so, or None |
    | misused   | programs of what was not erased |
    """

    def __init__(self, blocks):
        gc.collect()  # (the last one is in pieces of the heap otherwise)
        self.data = bytearray(blocks * BLOCK)
        self._view = memoryview(self.data)
        self._blank = memoryview(b"\xff" * BLOCK)
        for i in range(blocks):
            self._view[i * BLOCK : (i + 1) * BLOCK] = self._blank
        self.blocks = blocks
        self.ops = self.erases = self.misused = 0
        self.dies_at = self.fails_at = None
        self.tear = 0
        self.cut = None
        self.dead = False
        vfs.VfsLfs2.mkfs(self)

    def restore(self, image):
        """Power on, with what `image` holds."""
        self._view[:] = image
        self.on()

    def on(self):
        self.ops = self.erases = 0
        self.dies_at = self.fails_at = None
        self.dead = False

    def _happens(self, size):
        # How many bytes of this operation happen.
        if self.dies_at == self.ops or self.cut and self.cut(self.ops):
            self.dead = True
            return size * self.tear // 8
        self.ops += 1
        return 0 if self.fails_at == self.ops - 1 else size

    def _answer(self):
        return EIO if self.dead or self.fails_at == self.ops - 1 else 0

    # The block device of MicroPython. Files may be finalised with the heap locked: a dead device
    # says so at once.

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return EIO
        at = block * BLOCK + offset
        buf[:] = self._view[at : at + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=0):
        if self.dead:
            return EIO
        at = block * BLOCK + offset
        data = self.data
        n = self._happens(len(buf))
        if self._view[at : at + n] == self._blank[:n]:  # (as it is, but for what is misused)
            self._view[at : at + n] = memoryview(buf)[:n]
            return self._answer()
        for i in range(n):
            byte = buf[i]
            if data[at + i] & byte != byte:
                self.misused += 1
            data[at + i] &= byte
        return self._answer()

    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return BLOCK
        if op == 6:
            if self.dead:
                return EIO
            n = self._happens(BLOCK)
            self._view[arg * BLOCK : arg * BLOCK + n] = self._blank[:n]
            self.erases += 1
            return self._answer()
        return 0


def mount(flash, path="/flash"):
    """Mount `flash`, after a power cut also a second time."""
    try:
        vfs.umount(path)
    except OSError:
        pass  # it was not mounted
    vfs.mount(vfs.VfsLfs2(flash), path)


def write(name, data):
    with open(FOLDER + "/" + name, "wb") as f:
        f.write(data)


def read(name):
    with open(FOLDER + "/" + name, "rb") as f:
        return f.read()


def names():
    return sorted(os.listdir(FOLDER))


def crowd(folder, size=100):
    """Leave no room on the flash, nor for another file of that size in this folder."""
    fill()
    i = 0
    try:
        while True:
            with open(f"{folder}/x{size}.{i}", "wb") as f:
                f.write(b"x" * size)
            i += 1
    except OSError:
        pass


def fill():
    """Leave no room on the flash."""
    with open("/flash/filler", "wb") as f:
        try:
            while True:
                f.write(b"x" * 512)
                f.flush()
        except OSError:
            pass
