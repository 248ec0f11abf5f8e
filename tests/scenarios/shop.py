"""A gateway over the shop of `commerce.v1`, and senders that sign their events."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

from commerce.v1 import webhooks_pb2
from google.api.httpbody_pb2 import HttpBody
from scenarios.gateways import callers

NEW_SECRET, OLD_SECRET = "whsec_new_8Kd02mWq71xZ", "whsec_old_3Jf55pTn90vB"
PARCEL_SECRET = "parcel-secret-Yh27cMx4"
PAYMENTS, PARCELS = "/webhooks/payments", "/webhooks/parcels"
Metadata = tuple[tuple[str, str], ...]


def config(folder: Path, more: str = "") -> str:
    """Return YAML of who calls the shop, and with which secrets its events are signed.

    Args:
        folder: for the files of the secrets.
        more: YAML below `services`.
    """
    for name, secret in (("new", NEW_SECRET), ("old", OLD_SECRET), ("parcels", PARCEL_SECRET)):
        (folder / f"{name}.secret").write_text(f"{secret}\n")
    return f"""
state: {{durable: 'sqlite:///{folder}/seawall.db'}}
{callers(scheduler="cron", keeper="operator", ada="")}
services:
  commerce.v1.WebhookService:
    methods:
      Deliver: {{webhook: {{secrets: ["file:new.secret", "file:old.secret"]}}}}
      DeliverParcelEvent: {{webhook: {{secrets: ["file:parcels.secret"]}}}}
  seawall.admin.v1.AdminService: {{policy: {{auth: {{roles: [operator]}}}}}}
{more}
"""


def event(event_id: str = "evt_1", **more: object) -> bytes:
    """Return an event's raw body, with spaces and an order that no JSON library would choose."""
    return json.dumps({"zz": "ä", "id": event_id, **more}, indent=3, ensure_ascii=False).encode()


def request(body: bytes) -> webhooks_pb2.DeliverRequest:
    payload = HttpBody(content_type="application/json; charset=utf-8", data=body)
    return webhooks_pb2.DeliverRequest(payload=payload)


def signature(secret: str, body: bytes, at: int) -> str:
    """Return the HMAC-SHA256 of time and body, in hex."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def stripe(body: bytes, at: float, secret: str = NEW_SECRET) -> Metadata:
    """Return the metadata by which Stripe signs."""
    return (("stripe-signature", f"t={int(at)},v1={signature(secret, body, int(at))},v0=00"),)


def parcel(body: bytes, at: float, secret: str = PARCEL_SECRET) -> Metadata:
    """Return the metadata by which the parcel service signs."""
    signed = f"sha256={signature(secret, body, int(at))}"
    return (("x-parcel-timestamp", str(int(at))), ("x-parcel-signature", signed))


def encoded(secret: str) -> tuple[str, ...]:
    """Return a secret in the forms in which it might be found."""
    return secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex()
