"""What the unit says of itself to a tool. Loaded for as long as that takes."""

import gc

from firmware import lazy
from firmware.clock import format_iso
from firmware.electrical import faults, pilot


def _transaction(c, tx):
    needs = None
    if tx.target_Wh:
        until = format_iso(tx.until_s) if tx.until_s else None
        needs = {"energy_Wh": max(tx.target_Wh - c.energy_Wh(), 0), "until": until}
    Wh = c.energy_Wh() - tx.start_Wh
    return {"t": format_iso(tx.origin_s), "energy_Wh": Wh, "needs": needs}


def status(unit):
    """All there is to know, as the dict that tools/station answers to `state`."""
    gc.collect()
    heap = {"alloc": gc.mem_alloc(), "free": gc.mem_free()}  # (without this answer)
    out, link, boot = [], unit.link, unit.outbox.boot
    names, reason = lazy.load("names"), lazy.load("ocpp.reason").reason
    for c in unit.station.connectors:
        tx, e = c.tx, c.controller
        row = {
            "id": c.number,
            "cp": pilot.STATES[e.state],
            "status": names.STATES.split(" ")[c.state],
            "fault": names.fault(e.fault) if e.fault else None,
            "severity": faults.SEVERITY[e.fault] if e.fault else None,
            "transactionId": tx.name if tx else None,
            "idTag": tx.token if tx else c.waits and c.waits.token,
            "pilot_mA": e.pilot_mA,
            "duty_u16": e.duty_u16,
            "contactor": e.closed,
            "ev_mA": list(c.meter.current_mA),
            "energy_Wh": c.meter.energy_Wh,
            "power_W": c.meter.power_W,
            "tx": tx and _transaction(c, tx),
        }
        row.update(reason(unit.station, c, names.PURPOSES))
        out.append(row)
    return {
        "t": format_iso(unit.clock.now()),
        "online": link.online,
        "boot": None if boot is None else names.BOOTS.split(" ")[boot],
        "link": {"lost": link.lost, "ends": [(format_iso(t), n, why) for t, n, why in link.ends]},
        "connectors": out,
        "heap": heap,
        "policy": unit.station.policy and unit.station.policy.fault,
        "crash": unit.last or None,
    }
