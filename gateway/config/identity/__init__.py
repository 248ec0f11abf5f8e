"""Who callers are, as the configuration says it: messages to options, and what is wrong.

`provider_checks.py` and `jwt_checks.py` have what may not be said of providers, `auth.py` what
methods and listeners say of them, `credential_keys.py` what may not be a key of anything,
`options.py` makes the options, `keys_file.py` reads API keys from a file, `told.py` has what is
told of all that.
"""

from gateway.config.identity.auth import (
    auth_doubts,
    auth_mistakes,
    auth_options,
    listener_auth_doubts,
    listener_auth_mistakes,
    listener_auth_options,
)
from gateway.config.identity.credential_keys import credential_key_mistakes
from gateway.config.identity.key import expiry_of
from gateway.config.identity.keys_file import read_keys
from gateway.config.identity.options import provider_options
from gateway.config.identity.provider_checks import identity_mistakes
from gateway.config.identity.told import callers, identity_doubts

__all__ = [
    "auth_doubts",
    "auth_mistakes",
    "auth_options",
    "callers",
    "credential_key_mistakes",
    "expiry_of",
    "identity_doubts",
    "identity_mistakes",
    "listener_auth_doubts",
    "listener_auth_mistakes",
    "listener_auth_options",
    "provider_options",
    "read_keys",
]
