# One charging transaction and the file that remembers it. Knows seconds, Wh and a folder; must
# not know OCPP messages or hardware. A transaction is a file from its start until the Central
# System has answered its stop, so a power cut loses neither it nor what was measured.

import json
import os


class Transaction:
    """
    | attribute   | meaning |
    |---|---|
    | number      | our own number, rising; names the file |
    | connector   | 1..N |
    | id_tag      | who started it |
    | id          | transactionId, None until StartTransaction is answered |
    | start_s, start_Wh | timestamp and meterStart of StartTransaction.req |
    | origin_s    | the same instant on the clock as it is now: where Relative schedules begin |
    | denied      | the Central System does not accept its tag: it gets no energy |
    | data        | samples (metering.py) for StopTransaction.req; on flash with the next save |
    | stop_s, stop_Wh, reason, stop_tag | of StopTransaction.req; stop_s None while it runs |
    """

    def __init__(self, number, connector, id_tag, start_s, start_Wh):
        self.number = number
        self.connector = connector
        self.id_tag = id_tag
        self.id = None
        self.start_s = start_s
        self.start_Wh = start_Wh
        self.origin_s = start_s
        self.denied = False
        self.data = []
        self.stop_s = None
        self.stop_Wh = None
        self.reason = None
        self.stop_tag = None


class Folder:
    """The transactions on flash: `load()`, `save(tx)`, `remove(tx)`. Durable when they return."""

    def __init__(self, path, log):
        self._path = path
        self._log = log
        try:
            os.mkdir(path)
        except OSError:
            pass  # it is there

    def load(self):
        """Every transaction that the Central System may not know to its end, oldest first."""
        out = []
        for name in os.listdir(self._path):
            path = self._path + "/" + name
            try:
                with open(path) as f:
                    values = json.load(f)
                tx = Transaction(0, 0, "", 0, 0)
                if len(values) != len(tx.__dict__) or str(values["number"]) != name:
                    raise ValueError("fields")
                for key, like in tx.__dict__.items():
                    if like is not None and type(values[key]) is not type(like):
                        raise ValueError(key)
                    setattr(tx, key, values[key])
                out.append(tx)
            except (ValueError, KeyError, TypeError) as e:
                # An empty file was never finished; any other is told and set out of the way.
                self._log("transaction file %s dropped: %r" % (name, e))
                os.remove(path)
        return sorted(out, key=lambda tx: tx.number)

    def save(self, tx):
        """False where the flash is full: then what is there of it stays as it was."""
        # One write: a failed one commits nothing.
        text = json.dumps(tx.__dict__)
        try:
            with open("%s/%d" % (self._path, tx.number), "w") as f:
                f.write(text)
        except OSError as e:
            self._log("transaction %d not written: %s" % (tx.number, e))
            return False
        return True

    def remove(self, tx):
        os.remove("%s/%d" % (self._path, tx.number))
