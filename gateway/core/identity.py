"""Who a caller is, once its credential was looked at."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that a provider knows. Holds no credential.

    Args:
        name: who it is, in the provider's words: a key's owner, a token's subject, a name of
            a certificate.
        provider: whose word that is, a key of `identity.providers`.
        roles: what it may do.
        metadata: the key of the metadata that carried the credential, "" for a certificate.
    """

    name: str
    provider: str
    roles: frozenset[str] = frozenset()
    metadata: str = ""
    key: str = field(init=False)
    """Tells callers of all providers apart."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.provider}:{self.name}")
