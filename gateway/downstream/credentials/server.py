"""Questions to an authorization server, and what its answers mean.

Where it stands: `own.py` and `exchanged.py` ask, the gateway's own HTTP client carries.

Rules:
1. A question is a form by POST, the client told by HTTP Basic with both parts
   form-encoded (RFC 6749, 2.3.1); a client without a secret is told in the form.
2. An answer is a 200 of JSON with `access_token`, of type Bearer (RFC 6750), printable and
   without spaces, 16 KiB at most. `token_type` may be left out. Of the body 64 KiB are read.
3. A question takes `timeout_s` at most, connecting included. Redirects are not followed.
4. Nothing of an answer is ever quoted but its status and, where it is one of the codes of
   RFC 6749 (5.2) or RFC 8693, its `error`.
"""

import base64
import math
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import orjson

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.http import HttpAnswer, HttpClient, HttpRequest
from gateway.downstream.credentials.options import OAuth2Options
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions

_MAX_BODY_BYTES = 64 * 1024
_MAX_TOKEN_CHARS = 16 * 1024
MAX_CONNECTIONS = 16
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_CODES = frozenset(
    (
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
        *("unsupported_grant_type", "invalid_scope", "invalid_target", "access_denied"),
        *("temporarily_unavailable", "server_error", "invalid_token"),
    )
)
_OF_THE_GATEWAY = frozenset(("invalid_client", "unauthorized_client", "unsupported_grant_type"))
"""Codes by which a server refuses who asks, and how. Any other 4xx refuses the subject token
(RFC 8693, 2.2.2): one caller's token must not stop the exchange for all."""
_OF_NOBODY = frozenset((404, 405, 406, 408, 410, 411, 415, 429))
"""But for statuses that no token brings about: there is no token server, or it is busy."""


class Grant(NamedTuple):
    """A token; `life_s` is None where the server does not tell."""

    token: str
    life_s: float | None

    def __repr__(self) -> str:
        return f"Grant(life_s={self.life_s})"


class Failure(NamedTuple):
    """No token.

    Args:
        why: a phrase without secrets, to stand behind "its token server".
        retry_after_s: when to ask again, where the server says so.
        of_subject: the server does not accept the caller's credential.
    """

    why: str
    retry_after_s: float | None = None
    of_subject: bool = False


class TokenServer:
    """The authorization server of one upstream. Must be made on the running event loop.

    Args:
        upstream: its name.
        options: where it is, and who asks.
        clock: for the time limit.
        rng: for the client.
        client: of the server; made of `options` where there is none.
    """

    def __init__(
        self,
        upstream: str,
        options: OAuth2Options,
        clock: Clock,
        rng: Rng,
        client: HttpClient | None = None,
    ) -> None:
        parts = urlsplit(options.token_url)
        self._timeout_s = options.timeout_s
        self._target = parts.path or "/"
        self._clock = clock
        self._shared: dict[str, str] = {}
        if options.scopes:
            self._shared["scope"] = " ".join(options.scopes)
        if options.audience:
            self._shared["audience"] = options.audience
        self._headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": "seawall",
        }
        if options.client_secret:
            self._headers["authorization"] = _basic(options.client_id, options.client_secret)
        elif options.client_id:
            self._shared["client_id"] = options.client_id
        self._client = client or Http1Client(
            ClientOptions(
                name=f"{upstream}: token server",
                url=f"{parts.scheme}://{parts.netloc}",
                max_connections=MAX_CONNECTIONS,
                connect_timeout_s=options.timeout_s,
                idle_timeout_s=10.0,
            ),
            clock,
            rng,
        )

    async def grant(self) -> Grant | Failure:
        """Ask for a token of the upstream's own (RFC 6749, 4.4)."""
        return await self._ask({"grant_type": "client_credentials", **self._shared})

    async def exchange(self, token: str) -> Grant | Failure:
        """Ask for a token in exchange for a caller's (RFC 8693, 2.1)."""
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": token,
            "subject_token_type": _ACCESS_TOKEN,
            "requested_token_type": _ACCESS_TOKEN,
        }
        return await self._ask({**form, **self._shared})

    async def _ask(self, form: dict[str, str]) -> Grant | Failure:
        exchanges = "subject_token" in form
        question = HttpRequest(
            "POST", self._target, dict(self._headers), urlencode(form).encode(), repeatable=False
        )
        try:
            with Expiry(self._clock, self._clock.now() + self._timeout_s):
                answer = await self._client.fetch(
                    question, max_body_bytes=_MAX_BODY_BYTES, max_error_bytes=_MAX_BODY_BYTES
                )
        except Expired:
            return Failure(f"did not answer within {self._timeout_s:.3g} s")
        except CallError as error:
            return Failure(_words(error, self._client.name))
        return read_grant(answer) if answer.status == 200 else _failure(answer, exchanges)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


def read_grant(answer: HttpAnswer) -> Grant | Failure:
    """Return the token of an answer of 200; rule 2."""
    body = _object(answer.body)
    token, kind = body.get("access_token"), body.get("token_type", "Bearer")
    if not isinstance(token, str) or not 0 < len(token) <= _MAX_TOKEN_CHARS:
        return Failure("sent an answer without a token")
    if not (token.isascii() and token.isprintable()) or " " in token:
        return Failure("sent a token with a character that no header may have")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return Failure("sent a token that is not a bearer token")
    life_s = _seconds(body.get("expires_in"))
    if life_s is not None and life_s <= 0:
        return Failure("sent a token that has ended already")
    return Grant(token, life_s)


def _failure(answer: HttpAnswer, exchanges: bool) -> Failure:
    code = _object(answer.body).get("error")
    known = code if isinstance(code, str) and code in _CODES else ""
    retry_after = answer.headers.get("retry-after", "").strip()
    return Failure(
        f"answered {answer.status}" + (f" ({known})" if known else ""),
        float(retry_after) if retry_after.isdigit() and len(retry_after) < 9 else None,
        exchanges
        and 400 <= answer.status < 500
        and answer.status not in _OF_NOBODY
        and known not in _OF_THE_GATEWAY,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(told: Any) -> float | None:
    """Return `expires_in`, which some servers write as a text; None where it says nothing."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        life_s = float(told)
    except (ValueError, OverflowError):
        return None
    return life_s if math.isfinite(life_s) else None


def _basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _words(error: CallError, name: str) -> str:
    return error.message.replace(f"upstream {name!r} ", "", 1)
