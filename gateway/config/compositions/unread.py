"""Rules of errors that look at a body which a composed method never has.

A composed method has no upstream, so no body of an error of its own. It ends with the error of
a part of `fan_out` that is REQUIRED, and that has what its upstream answered only where a rule
of the part reads it too. A rule that one level says for both does what it says; told is the
rule that no method can follow which has it from the same place.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.compose.fan_out import Need
from gateway.config.compositions.composition import Composition
from gateway.config.effective import EffectiveMethod
from gateway.core.errors import Problem


def unread_body_doubts(
    methods: Sequence[EffectiveMethod], compositions: Mapping[str, Composition]
) -> Iterator[Problem]:
    """Yield composed methods with `errors.rules` that look at bodies and never see one."""
    by_name = {method.method.full_name: method for method in methods}
    followed = {_origin(method) for method in methods if method.bindings}
    for method in methods:
        name = method.method.full_name
        if method.bindings or not _looks(method) or _origin(method) in followed:
            continue
        if not _sees(name, by_name, compositions):
            yield Problem(
                method.where,
                f"{name}: errors.rules: the answer is made by other methods, and what their "
                "upstreams answered is not kept: a rule with `body` never fits; say it for the "
                "methods that are called as well, or go by http_statuses and on",
            )


def _looks(method: EffectiveMethod) -> bool:
    return any(rule.body for rule in method.policy.errors.rules)


def _origin(method: EffectiveMethod) -> str:
    return method.origins.get("errors.rules", method.where) if _looks(method) else ""


def _sees(
    name: str,
    by_name: Mapping[str, EffectiveMethod],
    compositions: Mapping[str, Composition],
) -> bool:
    """Tell whether the errors of a method come with what an upstream answered."""
    method, composition = by_name[name], compositions.get(name)
    if method.bindings:
        return _looks(method)
    if composition is None or composition.fan_out is None:
        return False
    return any(
        _sees(branch.method, by_name, compositions)
        for branch in composition.fan_out.branches
        if branch.need is Need.REQUIRED
    )
