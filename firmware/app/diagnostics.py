"""A try to upload the file for whoever looks after the unit (console/diagnostics.py). Loaded for
that."""

from firmware import lazy


async def send(unit, url, name, since_s, until_s, security=False):
    """Upload it as `name` to `url` (network/transfer.py), with the lines of the log between two
    instants, or None; `security`: that of security events is the file. Raises OSError: the next
    try may succeed; ValueError: none can."""

    def context():
        return lazy.load("ocpp.security").load(2)

    def made():
        return lazy.load("console.diagnostics").pieces(unit, since_s, until_s, security)

    transfer = lazy.load("network.transfer")
    await transfer.upload(url, name, made, context, unit.link.resolve)
