"""The console of the firmware, as tests type on it."""

import re

from host.process import WAIT_s, poll

LOGGED = re.compile(r"\d+ [EWID] ")


class Console:
    """`await say(line)`: the lines that the firmware answers, without those of its log."""

    def __init__(self, b):
        self.b = b
        self.number = 1000000

    async def __call__(self, line):
        output = self.b.process.output
        since = len(output)
        self.number += 1
        await self.b.do("console " + line)
        await self.b.do(f"console >>> {self.number} + 1000000")
        end = str(self.number + 1000000)
        await poll(lambda: end in output[since:], WAIT_s, lambda: f"{line}: {output[since:]}")
        # (what a line of the log interrupts is said again behind it)
        said = [text.split("\x1b[K")[-1] for text in output[since : output.index(end, since)]]
        said = [text for text in said if not LOGGED.match(text)]
        begin = len(said) - 1 - said[::-1].index(line)
        assert said[-1] == f">>> {self.number} + 1000000", said
        return said[begin + 1 : -1]

    async def one(self, line):
        """The only line of an answer."""
        said = await self(line)
        assert len(said) == 1, said
        return said[0]
