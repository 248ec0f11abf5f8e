"""Callers by the names of their certificates."""

import pytest
from unit.interceptors.auth.issuer import Gateway

from gateway.core.errors import Reason
from gateway.interceptors.auth import CertificateName, CertificatesOptions
from gateway.interceptors.auth import certificates as module

SPIFFE = "URI:spiffe://prod.example/ns/shop/sa/orders"


def machines(*names: str | tuple[str, str]) -> CertificatesOptions:
    said = [(name, "machine") if isinstance(name, str) else name for name in names]
    return CertificatesOptions(
        name="machines",
        names=tuple(CertificateName(name=name, roles=frozenset((role,))) for name, role in said),
    )


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ((SPIFFE, "DNS:a.internal", "email:a@b.c", "CN:a"), SPIFFE[4:]),
        (("CN:a", "email:a@b.c", "DNS:a.internal", SPIFFE), SPIFFE[4:]),
        (("CN:a", "email:a@b.c", "DNS:a.internal", "DNS:b.internal"), "a.internal"),
        (("CN:a", "email:a@b.c"), "a@b.c"),
        (("CN:a",), "a"),
    ],
)
async def test_without_names_the_first_in_order_names_the_caller_without_roles(certificate, name):
    gateway = Gateway(CertificatesOptions(name="machines"))
    for _ in range(2):  # found, and remembered
        call, error = await gateway.call(certificate=certificate)
        assert error is None
        assert call.identity is not None
        assert call.identity.name == name
        assert call.identity.roles == frozenset()
        assert call.identity.metadata == ""


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (("CN:spiffe://prod/billing",), None),
        (("DNS:spiffe://prod/billing", "email:spiffe://prod/billing"), None),
        (("CN:ops@corp.example",), None),
        (("CN:urn:uuid:1",), None),
        (("URI:urn:uuid:1",), "urn:uuid:1"),
        (("CN:spiffe://prod/billing", "DNS:a.internal"), "a.internal"),
        (("CN:system:node:a",), "system:node:a"),
    ],
)
async def test_without_names_a_name_counts_that_looks_like_its_kind(certificate, name):
    gateway = Gateway(CertificatesOptions(name="machines"))
    call, error = await gateway.call(certificate=certificate)
    assert (None if call.identity is None else call.identity.name) == name
    assert (error is None) is (name is not None)


@pytest.mark.parametrize(
    ("known", "name", "matches"),
    [
        ("spiffe://prod.example/ns/shop/sa/orders", SPIFFE, True),
        ("spiffe://prod.example/ns/*/sa/orders", SPIFFE, True),
        ("spiffe://prod.example/ns/*", SPIFFE, False),
        ("spiffe://prod.example/ns/shop/sa/order", SPIFFE, False),
        ("spiffe://Prod.example/ns/shop/sa/orders", SPIFFE, False),
        ("spiffe://prod.example/ns/shop/sa/orders", f"CN:{SPIFFE[4:]}", False),
        ("spiffe://prod.example/ns/shop/sa/orders", f"DNS:{SPIFFE[4:]}", False),
        ("api.internal", "DNS:api.internal", True),
        ("api.internal", "DNS:API.Internal", True),
        ("api.internal", "CN:api.internal", True),
        ("api.internal", "URI:api.internal", False),
        ("api.internal", "email:api.internal", False),
        ("api.internal", "DNS:api.internal.evil.example", False),
        ("api.internal", "DNS:apixinternal", False),
        ("*.internal", "DNS:api.internal", True),
        ("*.internal", "DNS:a.b.internal", False),
        ("*.internal", "DNS:internal", False),
        ("*.internal", "DNS:.internal", False),
        ("*.internal", "DNS:apixinternal", False),
        ("*.internal", "DNS:api.internal\n", False),
        ("ops@corp.example", "email:ops@CORP.example", True),
        ("ops@corp.example", "email:Ops@corp.example", False),
        ("ops@corp.example", "CN:ops@corp.example", False),
        ("ops", "CN:ops", True),
        ("ops", "OTHER:ops", False),
        ("ops", "CN:", False),
    ],
)
async def test_names_match_their_own_kind_and_one_label_a_star(known, name, matches):
    gateway = Gateway(machines(known))
    call, error = await gateway.call(certificate=(name,))
    assert (error is None) is matches
    assert (call.identity is not None) is matches
    if error is not None:
        assert error.reason is Reason.UNAUTHENTICATED


async def test_the_first_name_that_is_known_counts_and_has_its_own_roles():
    gateway = Gateway(machines(("*.internal", "any"), ("api.internal", "api"), ("ops", "ops")))
    for certificate, name, role in (
        (("URI:x://y", "DNS:b.internal", "CN:ops"), "b.internal", "any"),
        (("DNS:api.internal",), "api.internal", "api"),  # an exact name before a pattern
        (("DNS:other", "CN:ops"), "ops", "ops"),
    ):
        call, _ = await gateway.call(certificate=certificate)
        assert call.identity is not None
        assert (call.identity.name, call.identity.roles) == (name, {role})


async def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MAX_REMEMBERED", 3)
    gateway = Gateway(machines("*.internal"))
    for number in range(20):
        await gateway.call(certificate=(f"DNS:host-{number}.internal",))
        await gateway.call(certificate=(f"DNS:host-{number}.example",))
    assert len(gateway.providers.by_name["machines"]._remembered) == 3
