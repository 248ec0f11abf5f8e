"""What callers get by a composed method, or a fallback, that they may not call themselves.

Calls of the gateway's own enter a method behind its edge: whoever may call the whole has
the parts, by whatever the whole asks for. That is hardly meant where a part asks for more.
"""

from collections.abc import Iterator, Mapping, Sequence

from seawall.config.v1.config_pb2 import Identity

from gateway.config.compositions import Composition
from gateway.config.effective import EffectiveMethod
from gateway.config.identity import auth_options
from gateway.core.errors import Problem
from gateway.interceptors.auth import AuthOptions, Mode


def lent_doubts(
    methods: Sequence[EffectiveMethod],
    compositions: Mapping[str, Composition],
    identity: Identity,
) -> Iterator[Problem]:
    """Yield which methods ask their callers for less than a method that they call."""
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


def _less(whole: AuthOptions, part: AuthOptions) -> str:
    if part.mode is Mode.NONE:
        return ""
    if part.roles and (not whole.roles or not whole.roles <= part.roles):
        return f"does not ask for a role of {', '.join(sorted(part.roles))}"
    if part.mode is Mode.REQUIRED and whole.mode is not Mode.REQUIRED and not whole.roles:
        return "does not ask for a credential"
    return ""
