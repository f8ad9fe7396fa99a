"""An RC522 by its registers, over SPI, and the cards in its field (ISO 14443-3 type A)."""

COMMAND, IRQ, ERROR, FIFO, LEVEL, CONTROL, FRAMING = 0x01, 0x04, 0x06, 0x09, 0x0A, 0x0C, 0x0D
TX_CONTROL, VERSION = 0x14, 0x37


class Card:
    """`uid` of 4, 7 or 10 bytes. `garble`: (command, byte of the answer) that comes out wrong."""

    garble = None

    def __init__(self, uid):
        self.parts = []
        while len(uid) > 4:
            self.parts.append(b"\x88" + uid[:3])
            uid = uid[3:]
        self.parts.append(uid)
        self.state = "idle"
        self._level = 0

    def hear(self, data, bits):
        """-> the answer to a frame, or b"" """
        answer = self._hear(data, bits)
        if self.garble and data and data[0] == self.garble[0] and len(answer) > self.garble[1]:
            at = self.garble[1]
            answer = answer[:at] + bytes((answer[at] ^ 4,)) + answer[at + 1 :]
        return answer

    def _hear(self, data, bits):
        if bits == 7 and len(data) == 1:
            wakes = data[0] == 0x52 and self.state in ("idle", "halt")
            if wakes or data[0] == 0x26 and self.state == "idle":
                self.state = "ready"
                self._level = 0
                return b"\x04\x00"
        elif bits == 0 and self.state == "ready":
            part = self.parts[self._level]
            part += bytes((part[0] ^ part[1] ^ part[2] ^ part[3],))
            select = 0x93 + 2 * self._level
            if data == bytes((select, 0x20)):
                return part
            if data == with_crc(bytes((select, 0x70)) + part):
                self._level += 1
                if self._level < len(self.parts):
                    return with_crc(b"\x04")
                self.state = "active"
                return with_crc(b"\x08")
        elif self.state == "active" and data == with_crc(b"\x50\x00"):
            self.state = "halt"
            return b""
        if self.state != "halt":
            self.state = "idle"
        return b""


class Rc522:
    """`cards`: the Cards in the field. `lost`: no power or no wire."""

    lost = False

    def __init__(self):
        self.cards = []
        self._selected = False
        self._reset()

    def put(self, *uids):
        self.cards = [Card(uid) for uid in uids]

    def _reset(self):
        self._registers = bytearray(64)
        self._registers[TX_CONTROL] = 0x80
        self._registers[VERSION] = 0x92
        self._fifo = b""

    # --- pins

    def out(self, key, value):
        if key == "cs":
            self._selected = not value
        elif not value:
            self._reset()

    def spi(self, data):
        """One transfer of a byte of address and bytes of data."""
        if self.lost:
            self._reset()
        if self.lost or not self._selected or not data:
            return b"\0" * len(data)
        register = data[0] >> 1 & 0x3F
        if not data[0] & 0x80:
            for byte in data[1:]:
                self._write(register, byte)
            return b"\0" * len(data)
        answer = bytearray(len(data))
        for i in range(1, len(data)):
            answer[i] = self._read(register)
            register = data[i] >> 1 & 0x3F  # (the next address travels with this byte)
        return bytes(answer)

    # --- registers

    def _read(self, register):
        if register == FIFO:
            byte, self._fifo = (self._fifo or b"\0")[0], self._fifo[1:]
            return byte
        if register == LEVEL:
            return len(self._fifo)
        return self._registers[register]

    def _write(self, register, value):
        registers = self._registers
        if register == FIFO:
            self._fifo += bytes((value,))
        elif register == LEVEL:
            if value & 0x80:
                self._fifo = b""
        elif register == IRQ:
            registers[IRQ] = (
                registers[IRQ] | value & 0x7F if value & 0x80 else (registers[IRQ] & ~value & 0x7F)
            )
        elif register == COMMAND and value == 0x0F:
            self._reset()
        else:
            registers[register] = value
            if register == FRAMING and value & 0x80 and registers[COMMAND] == 0x0C:
                self._transceive(value & 7)

    def _transceive(self, bits):
        registers = self._registers
        sent, self._fifo = self._fifo, b""
        registers[ERROR] = 0
        answers = []
        if registers[TX_CONTROL] & 3 == 3:
            answers = [a for a in [card.hear(sent, bits) for card in self.cards] if a]
        if not answers:
            registers[IRQ] |= 0x01  # the timer
        else:
            registers[IRQ] |= 0x20
            self._fifo = answers[0]
            if len(set(answers)) > 1:
                registers[ERROR] = 0x08  # collision
                registers[IRQ] |= 0x02


def with_crc(data):
    crc = 0x6363
    for byte in data:
        for i in range(8):
            crc = crc >> 1 ^ (0x8408 if (crc ^ byte >> i) & 1 else 0)
    return data + bytes((crc & 0xFF, crc >> 8))
