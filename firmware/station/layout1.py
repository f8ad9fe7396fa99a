# Transaction files as the first firmware wrote them: JSON. Loaded only where one is found.

import json

_KEYS = "connector id_tag id start_s start_Wh origin_s denied stop_s stop_Wh reason stop_tag"


def read(tx, data):
    """Fill `tx` from the bytes of such a file. Raises ValueError, KeyError or TypeError."""
    values = json.loads(str(data, "utf-8"))
    if len(values) != 12 or values["number"] != tx.number:
        raise ValueError("fields")
    for key in _KEYS.split():
        like = getattr(tx, key)
        if like is not None and type(values[key]) is not type(like):
            raise ValueError(key)
        setattr(tx, key, values[key])
    tx.seen_Wh = tx.start_Wh
    # Before everything of today; those of equal places keep the order of their numbers.
    tx.began = 0
    tx.ended = None if tx.stop_s is None else 0
