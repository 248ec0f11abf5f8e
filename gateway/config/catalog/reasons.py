"""All reasons that there are, and what names the failures of a method.

Rules:
1. An enum value with the option `seawall.error.v1.entry` is a reason, called like the value
   without the prefix of its enum; its domain is the enum's package. A package has a reason
   once. Of several packages with one reason, a service sees that of its own.
2. YAML says the whole of a reason, also of one that the protos have.
3. `errors.domain` goes before both; a reason of YAML alone has the package of the service
   that tells it.
4. An entry of YAML that is called like one of the gateway's own reasons rewords that one. An
   enum value is the protos' own reason, whatever it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.core.catalog import DOMAIN, Entry, ErrorNames, ErrorRule
from gateway.core.errors import Reason
from gateway.core.status import Code


@dataclass(frozen=True, slots=True)
class Catalog:
    """The entries: of YAML, and of protos by package.

    Args:
        said: of YAML, by name; those without a domain have none yet.
        of_packages: of protos, by package and name.
        enums: where a reason of protos is declared ("market.v1.ErrorReason" and its file), by
            package and name.
    """

    said: Mapping[str, Entry]
    of_packages: Mapping[str, Mapping[str, Entry]]
    enums: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def find(self, name: str, package: str) -> Entry | None:
        """Return the entry of a reason as a service of `package` sees it."""
        declared = self.of_packages.get(package, {}).get(name)
        if declared is None:
            others = [of[name] for of in self.of_packages.values() if name in of]
            declared = others[0] if len(others) == 1 else None
        said = self.said.get(name)
        if said is None or said.domain:
            return said or declared
        return replace(said, domain=declared.domain if declared is not None else package or DOMAIN)

    def names(self) -> list[str]:
        """Return every reason that there is."""
        declared = {name for entries in self.of_packages.values() for name in entries}
        return sorted(declared | set(self.said))

    def own(self) -> dict[Reason, Entry]:
        """Return the entries that reword the gateway's own reasons."""
        return {
            Reason[name]: replace(entry, domain=DOMAIN)
            for name, entry in self.said.items()
            if name in Reason.__members__
        }

    def names_for(self, policy: MethodPolicy, service: str) -> ErrorNames | None:
        """Return what names the failures of a method; None where nothing does."""
        package = service.rpartition(".")[0]
        rules = [
            ErrorRule(
                entry=entry,
                http_statuses=frozenset(rule.http_statuses),
                body=tuple((tuple(path.split(".")), rule.body[path]) for path in sorted(rule.body)),
                codes=frozenset(Code[on] for on in rule.on if on in Code.__members__),
                reasons=frozenset(Reason[on] for on in rule.on if on in Reason.__members__),
            )
            for rule in policy.errors.rules
            if (entry := self.find(rule.reason, package)) is not None
        ]
        own = self.own()
        return ErrorNames(rules, own) if rules or own else None
