"""The one table of the versions of OCPP: what a Central System may pick (Sec-WebSocket-Protocol),
and the package of firmware/ that speaks it. config.json says which are offered. The last one's
names of the settings stand in /ocpp.json, whichever is spoken."""

PACKAGES = (("ocpp2.0.1", "ocpp.v201"), ("ocpp1.6", "ocpp.v16"))


def protocols(config):
    """Raises ValueError if a Config offers one that there is not."""
    spoken = [protocol for protocol, _ in PACKAGES]
    if [name for name in config.protocols if name not in spoken]:
        raise ValueError("config.json: protocols: there are " + ", ".join(spoken))
