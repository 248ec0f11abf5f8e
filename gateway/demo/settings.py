"""The settings function of the panel: one record, some of it secrets of the shop."""

from collections.abc import Iterable

from aiohttp import web

from gateway.demo import fields
from gateway.demo.records import Record
from gateway.demo.server import json_body

SETTINGS = "/.netlify/functions/settings"

_NEEDED = ("shopName", "supportEmail")
_SECRET = ("paymentSecret", "smtpPassword")
_NAMES = (*_NEEDED, *_SECRET, "maintenance")
_FIRST: Record = {
    "shopName": "Corner Shop",
    "supportEmail": "help@shop.example",
    "maintenance": False,
    "paymentSecret": "sk_demo_4711_payments",
    "smtpPassword": "demo-smtp-password",
}


class SettingsPage:
    """The state of the function."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Take back every change."""
        self._settings = dict(_FIRST)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        return (web.get(SETTINGS, self._get), web.patch(SETTINGS, self._update))

    async def _get(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._settings)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        names = fields.changed(request, body, _NAMES)
        texts = [name for name in names if name != "maintenance"]
        needed = [name for name in texts if name in _NEEDED or name in body]
        values = fields.strings(body, "settings", needed=needed)
        if "maintenance" in names:
            values["maintenance"] = body.get("maintenance") is True
        for name in names:
            if name in values:
                self._settings[name] = values[name]
            else:
                self._settings.pop(name, None)
        return web.json_response(self._settings)
