"""What the Central System answers as usual in every version of OCPP."""

import functools

from ocpp.routing import create_route_map, on

from host.csms.frames import format_time


class Usual:
    """`settings`: an Answers."""

    noted = ()  # actions that a station tells, and that are answered without a field

    def __init__(self, settings):
        self.settings = settings
        self._routes = create_route_map(self)

    def handler(self, station, action):
        """The function payload -> answer for a request, or None."""
        if action in self.noted:
            return lambda payload: {}
        route = self._routes.get(action)
        return functools.partial(route["_on_action"], station) if route else None

    def note_request(self, station, action, payload):
        """Keep what a valid request says, whatever the answer will be."""

    def note_answer(self, station, action, payload, answer):
        """Keep what an answer of ours settles."""

    @on("BootNotification")
    def _on_boot_notification(self, station, payload):
        return {
            "status": self.settings.boot_status,
            "currentTime": format_time(self.settings.now()),
            "interval": self.settings.heartbeat_interval,
        }

    @on("Heartbeat")
    def _on_heartbeat(self, station, payload):
        return {"currentTime": format_time(self.settings.now())}

    @on("DataTransfer")
    def _on_data_transfer(self, station, payload):
        return {"status": "UnknownVendorId"}

    @on("SignCertificate")
    def _on_sign_certificate(self, station, payload):
        return {"status": "Rejected"}
