"""A PN532 on a UART, frame by frame."""

ACK = b"\x00\x00\xff\x00\xff\x00"


class Pn532:
    """`lost`: no power or no wire. `garble`: byte of every answer that comes out wrong, or
    None."""

    lost = False
    garble = None

    def __init__(self):
        self._begin()
        self.cards = []

    def put(self, *uids):
        self.cards = list(uids)

    def _begin(self):
        self._awake = self._patient = False

    def uart(self, data):
        if self.lost:
            self._begin()
            return b""
        if data[:1] == b"\x55":
            self._awake = True
            data = data.lstrip(b"\x55\x00")
        if not self._awake or len(data) < 8 or data[:3] != b"\x00\x00\xff":
            return b""
        n = data[3]
        body = data[5 : 5 + n]
        if n + data[4] & 0xFF or len(data) != n + 7 or sum(data[5 : 6 + n]) & 0xFF:
            return b""
        if body[0] != 0xD4:
            return b""
        answer = self._carry_out(body[1], body[2:])
        if answer is None:
            return ACK
        whole = ACK + frame(bytes((0xD5, body[1] + 1)) + answer)
        if self.garble is not None and self.garble < len(whole):
            at = self.garble
            whole = whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :]
        return whole

    def _carry_out(self, command, data):
        """What the answer carries; None: none comes."""
        if command == 0x14 and data[:1] == b"\x01":
            return b""
        if command == 0x32 and data[:1] == b"\x05" and len(data) == 4:
            self._patient = data[3] != 0xFF
            return b""
        if command == 0x52:
            return b"\0"
        if command == 0x4A and len(data) == 2 and 1 <= data[0] <= 2 and data[1] == 0:
            cards = self.cards[: data[0]]
            if not cards and not self._patient:
                return None  # it looks for a card until there is one
            answer = bytes((len(cards),))
            for i, uid in enumerate(cards):
                answer += bytes((i + 1, 0, 4, 8, len(uid))) + uid
            return answer
        return None


def frame(data):
    n = len(data)
    return b"\x00\x00\xff" + bytes((n, -n & 0xFF)) + data + bytes((-sum(data) & 0xFF, 0))
