"""Who calls, and whether they may: API keys, JSON Web Tokens, certificates of clients.

`rule.py` says which credentials count and in which order, `interceptor.py` puts it on the way
of a call, `lease.py` looks again while a stream lasts. `api_keys.py` and `certificates.py` know
callers by themselves. Of a token, `compact.py` knows the form, `keyset.py` the keys and
signatures, `claims.py` what it says; `jwks.py` and `jwks_url.py` keep an issuer's keys, by the
times of `freshness.py`, `verified.py` remembers tokens, and `jwt.py` puts all of that together.
`errors.py` has what callers are told.
"""

from gateway.interceptors.auth.api_keys import UnreadableKeysError
from gateway.interceptors.auth.certificates import kinds_of
from gateway.interceptors.auth.interceptor import AuthInterceptor
from gateway.interceptors.auth.jwks_url import Fetch
from gateway.interceptors.auth.keyset import MAX_SET_BYTES, UnusableKeysError, read_key_set
from gateway.interceptors.auth.new_key import new_key
from gateway.interceptors.auth.options import (
    ALGORITHMS,
    DEFAULT_ALGORITHMS,
    ApiKey,
    ApiKeysOptions,
    AuthOptions,
    CertificateName,
    CertificatesOptions,
    JwtOptions,
    ListenerAuth,
    Mode,
    ProviderOptions,
)
from gateway.interceptors.auth.providers import Providers

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHMS",
    "MAX_SET_BYTES",
    "ApiKey",
    "ApiKeysOptions",
    "AuthInterceptor",
    "AuthOptions",
    "CertificateName",
    "CertificatesOptions",
    "Fetch",
    "JwtOptions",
    "ListenerAuth",
    "Mode",
    "ProviderOptions",
    "Providers",
    "UnreadableKeysError",
    "UnusableKeysError",
    "kinds_of",
    "new_key",
    "read_key_set",
]
