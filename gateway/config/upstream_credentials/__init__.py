"""Who upstreams are called as, from policies: options, mistakes, doubts, and what is hidden.

Rules:
1. An upstream has one credential of its own: a token, user and password, headers, or OAuth2.
   What is given as empty is not said.
2. Where nobody says what becomes of callers' credentials, they are withheld (STRIP) from an
   upstream that has one of its own, and from one that is another's fallback (a method of it too),
   together with whatever else looks like a credential; elsewhere they
   are sent on (FORWARD).
3. A credential that a provider would know, and the method does not look at, is sent nowhere
   beside one that it did look at.
4. What levels say one by one is looked at where they stand; what they come to together, and
   what that is beside the policies of methods, after they were merged.
5. Secrets are for the configuration file: proto options are shown to every caller by
   reflection. No sentence here repeats one.
"""

from gateway.config.upstream_credentials.doubts import (
    credential_conflicts,
    credential_doubts,
    fixed_header_doubts,
    forwarding_doubts,
)
from gateway.config.upstream_credentials.mistakes import (
    credential_mistakes,
    credential_option_mistakes,
    merged_credential_mistakes,
)
from gateway.config.upstream_credentials.options import (
    AUTHORIZATION,
    MAY_BE_FILE,
    apart,
    caller_of,
    credential_options,
    metadata_of_identities,
    unread_metadata,
    withheld_names,
)
from gateway.config.upstream_credentials.said import hide_credentials

__all__ = [
    "AUTHORIZATION",
    "MAY_BE_FILE",
    "apart",
    "caller_of",
    "credential_conflicts",
    "credential_doubts",
    "credential_mistakes",
    "credential_option_mistakes",
    "credential_options",
    "fixed_header_doubts",
    "forwarding_doubts",
    "hide_credentials",
    "merged_credential_mistakes",
    "metadata_of_identities",
    "unread_metadata",
    "withheld_names",
]
