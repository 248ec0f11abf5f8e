"""What a method is promised where a given upstream answers it: the one composition of both.

Rules:
1. A method over an upstream has the levels of that upstream, whether it is the method's
   own or a fallback: its headers, secrets, writing, limits and names are never those of
   another one.
2. Methods of which the same is said share one merged policy.
"""

from gateway.config.ceilings import clamp
from gateway.config.document import Document
from gateway.config.effective import EffectiveMethod
from gateway.config.levels import MethodLevels
from gateway.config.merge import Level, Merged, Merger
from gateway.config.problems import Problems
from gateway.config.rebinding import Rebinding
from gateway.config.services import BoundMethod
from gateway.core.call import MethodInfo


class Promises:
    """Merges, clamps and binds.

    Args:
        levels: of every method.
        document: with the ceilings.
        problems: what is wrong.
    """

    def __init__(self, levels: MethodLevels, document: Document, problems: Problems) -> None:
        self._levels = levels
        self._document = document
        self._merger = Merger()
        self._known: dict[tuple[Level, ...], Merged] = {}
        self._rebinding = Rebinding(problems)

    def policy(self, method: BoundMethod, upstream: str) -> Merged:
        """Return what a method's policy comes to; "" is no upstream."""
        levels = self._levels.of(method.descriptor, upstream)
        known = self._known.get(levels)
        if known is None:
            merged = self._merger.merge(levels)
            known = clamp(merged, self._document.config.ceilings, self._document)
            self._known[levels] = known
        return known

    def effective(self, method: BoundMethod, upstream: str) -> EffectiveMethod:
        """Return the method with its policy and its bindings under that."""
        policy, origins = merged = self.policy(method, upstream)
        bound, descriptor = self._rebinding.under(method, merged), method.descriptor
        info = MethodInfo(
            descriptor.containing_service.full_name,
            descriptor.name,
            descriptor.client_streaming,
            descriptor.server_streaming,
        )
        referenced = self._document.referenced
        return EffectiveMethod(
            info, descriptor, bound.where, bound.bindings, upstream, policy, origins, referenced
        )
