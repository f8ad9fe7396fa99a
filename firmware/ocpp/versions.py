"""The one table of the versions of OCPP: what a Central System may pick (Sec-WebSocket-Protocol),
and the package of firmware/ that speaks it. The first is spoken until one was picked; the last
one's names of the settings stand in /ocpp.json, whichever is spoken."""

PACKAGES = (("ocpp1.6", "ocpp.v16"),)
