"""What callers get by a composed method, or a fallback, that they may not call themselves.

Calls of the gateway's own enter a method behind its edge: whoever may call the whole has
the parts, by whatever the whole asks for. That is hardly meant where a part asks for more, or
has limits that the whole has not.
"""

from collections.abc import Iterator, Mapping, Sequence

from seawall.config.v1.config_pb2 import Identity

from gateway.config.compositions import Composition
from gateway.config.effective import EffectiveMethod
from gateway.config.identity import auth_options
from gateway.config.limits.declared import declared_limits
from gateway.core.errors import Problem
from gateway.interceptors.auth import AuthOptions, Mode


def lent_doubts(
    methods: Sequence[EffectiveMethod],
    compositions: Mapping[str, Composition],
    identity: Identity,
) -> Iterator[Problem]:
    """Yield which methods ask their callers for less than a method that they call."""
    yield from _limits_lent(methods, compositions)
    if not identity.providers:
        return
    needs = {
        method.method.full_name: auth_options(method.policy.auth, identity) for method in methods
    }
    for method in methods:
        name = method.method.full_name
        composition = compositions.get(name)
        for part in dict.fromkeys(() if composition is None else composition.calls):
            if part in needs and (less := _less(needs[name], needs[part])):
                yield Problem(
                    method.where,
                    f"{name}: auth: {less}; {part}, which it calls, does: its callers get by it "
                    "what they may not call",
                )


def _limits_lent(
    methods: Sequence[EffectiveMethod], compositions: Mapping[str, Composition]
) -> Iterator[Problem]:
    limits = {method.method.full_name: _limits(method) for method in methods}
    for method in methods:
        name = method.method.full_name
        composition = compositions.get(name)
        for part in dict.fromkeys(() if composition is None else composition.calls):
            if missing := sorted(limits.get(part, frozenset()) - limits[name]):
                yield Problem(
                    method.where,
                    f"{name}: rate_limits: {part}, which it calls, has the limits "
                    f"{', '.join(missing)}, and calls by {name} do not count for them; say at "
                    f"{name} what it may be called, or give both the limit at one level",
                )


def _limits(method: EffectiveMethod) -> frozenset[str]:
    """Return the instances of limits that a method's calls count for."""
    declared = declared_limits(
        method.policy, method.origins, method.method.full_name, method.upstream
    )
    return frozenset(one.limit.name for one in declared if not one.limit.shadow)


def _less(whole: AuthOptions, part: AuthOptions) -> str:
    if part.mode is Mode.NONE:
        return ""
    if part.roles and (not whole.roles or not whole.roles <= part.roles):
        return f"does not ask for a role of {', '.join(sorted(part.roles))}"
    if part.providers and (not whole.providers or not whole.providers <= part.providers):
        return f"does not ask for a credential of {', '.join(sorted(part.providers))}"
    if part.mode is Mode.REQUIRED and whole.mode is not Mode.REQUIRED and not whole.roles:
        return "does not ask for a credential"
    return ""
