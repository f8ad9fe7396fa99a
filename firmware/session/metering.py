# Samples: what a meter showed at an instant. Knows nothing of messages.

# Reading contexts (OCPP 1.6 ed. 2, 7.33), as far as they are taken.
PERIODIC, TRIGGER = "Sample.Periodic", "Trigger"
PLENTY = (PERIODIC,)  # of those the first are given up when the flash is full


def take(meter, now_s, context):
    """(time, energy_Wh, power_W, current L1, L2, L3 in mA, context)"""
    a, b, c = meter.current_mA
    return now_s, meter.energy_Wh, meter.power_W, a, b, c, context
