"""Who an upstream is called as: its own credential, or one that is made of the caller's.

`upstream.py` ties together what stands beside it for one upstream; `own.py` has the
upstream's own credential, `exchanged.py` those that are made of callers', `server.py` asks
the authorization server. `life.py` is the machine without clock and sockets. No sentence,
`repr` or event of this package holds a secret.
"""

from gateway.downstream.credentials.options import Caller, CredentialOptions, OAuth2Options
from gateway.downstream.credentials.upstream import UpstreamCredentials

__all__ = ["Caller", "CredentialOptions", "OAuth2Options", "UpstreamCredentials"]
