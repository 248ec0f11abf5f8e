"""Names whose values are secrets, or may be.

Rules:
1. A value is hidden where its name hints at a secret: what is hidden for nothing costs
   nothing (`may_be_secret`).
2. A key of a breaker is shown: logs and seawall.admin.v1 tell whose circuit opened. Names
   that say credential are refused as keys (`is_credential`); names that only hint at one
   are doubted (`doubts.py`), because tenants and partitions have such names too.
"""

import re

_HINTS = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"authorization|cookie|credential|passw|passphrase|secret|token|jwt|bearer"
    r"|(api|access|auth|private|signing)[-_.]?key",
    re.IGNORECASE,
)


def may_be_secret(name: str) -> bool:
    """Tell whether the value of a header, parameter or field of this name is not shown."""
    return _HINTS.search(name) is not None


def is_credential(name: str) -> bool:
    """Tell whether a header, parameter or field of this name holds a credential."""
    return _CREDENTIAL.search(name) is not None
