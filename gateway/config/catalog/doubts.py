"""What the error catalog says without effect, and what it leaves unsaid in a language.

Rules:
1. A reason that no rule of a served method gives is told: of YAML by its line, of an enum where
   a method of its package is served.
2. A language that lacks a word which its entry has is told, where the entry is in another
   language: who asks for the one reads the two in one message. What the entry does not say
   either is said by the gateway, whatever the language, and not told.
3. Of a reason that nobody gives, rule 1 is enough.
"""

from collections.abc import Iterable, Iterator

from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.catalog.reasons import Catalog
from gateway.config.values import Mistake
from gateway.core.catalog import Entry
from gateway.core.errors import Reason

_WORDS = ("title", "message", "action")


def catalog_doubts(
    catalog: Catalog, policies: Iterable[tuple[MethodPolicy, str]]
) -> Iterator[tuple[str, Mistake]]:
    """Yield what is hardly meant, as (file of protos or "", (what, why)).

    Where the file is "", what is a path from the top of the configuration.

    Args:
        catalog: of the process.
        policies: of every method, with the name of its service.
    """
    given: set[str] = set()
    packages: set[str] = set()
    for policy, service in policies:
        given.update(rule.reason for rule in policy.errors.rules)
        packages.add(service.rpartition(".")[0])
    for name, entry in catalog.said.items():
        if name in given or name in Reason.__members__:
            for tag, why in _half_said(entry):
                yield "", (f"errors.reasons.{name}.localized.{tag}", why)
        else:
            why = "has no effect: no rule of a served method gives this reason"
            yield "", (f"errors.reasons.{name}", why)
    idle: dict[tuple[str, str], list[str]] = {}
    for (package, name), declared in catalog.enums.items():
        if name in catalog.said:
            continue
        if name in given:
            enum, file = declared
            for tag, why in _half_said(catalog.of_packages[package][name]):
                yield file, (f"{enum}: {name}.localized.{tag}", why)
        elif package in packages:
            idle.setdefault(declared, []).append(name)
    for (enum, file), names in idle.items():
        yield file, (enum, f"no rule of a served method gives {', '.join(names)}")


def _half_said(entry: Entry) -> Iterator[Mistake]:
    """Yield languages that lack words of the entry, and what that comes to."""
    for tag, words in entry.localized.items():
        if _primary(tag) == _primary(entry.language):
            continue
        usual = entry.words
        missing = [n for n in _WORDS if getattr(usual, n) and not getattr(words, n)]
        if missing:
            yield (
                tag,
                f"has no {' and no '.join(missing)}: who asks for {tag} reads "
                f"{'it' if len(missing) == 1 else 'them'} in {entry.language}",
            )


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()
