"""No credential, and no part of one, in anything that leaves the mechanism."""

import hashlib
import logging
import pickle
import traceback
from typing import Any

from unit.interceptors.auth.issuer import (
    Gateway,
    Url,
    good,
    jwk,
    jwt_options,
    key_set,
    settled,
    token,
)

from gateway.interceptors.auth import (
    ApiKey,
    ApiKeysOptions,
    AuthOptions,
    CertificatesOptions,
    new_key,
)

KEY = new_key()[0]
KEYS = ApiKeysOptions(
    name="keys", keys=(ApiKey(caller="kay", sha256=hashlib.sha256(KEY.encode()).digest()),)
)
SECRET_URL = "https://issuer.example/keys?code=url-secret"


def _credentials() -> list[tuple[str, Any]]:
    """Return what callers send: good, bad and broken."""
    tokens = [
        token(),
        token(number=1),
        token(good(exp=1)),
        token(good(aud="x")),
        token(good(sub=1)),
        token(kid="k9"),
        token()[:-4],
        token().replace(".", ""),
        token(header={"crit": ["x"]}),
        token(header={"alg": "HS256"}),
        token(good(pad="p" * 9000)),
    ]
    keys = [KEY, KEY[:-1], new_key()[0], KEY + "é", "k" * 600]
    return [
        *(("authorization", f"Bearer {text}") for text in tokens),
        *(("authorization", text) for text in tokens),
        *(("x-api-key", text) for text in keys),
        *(("x-api-key", text.encode()) for text in keys),
        ("authorization", f"Basic {KEY}"),
    ]


def _secret_parts() -> set[str]:
    texts = [value.decode() if isinstance(value, bytes) else value for _, value in _credentials()]
    parts = {part for text in texts for part in text.removeprefix("Bearer ").split(".")}
    return {part[-20:] for part in parts if len(part) >= 20} | {"url-secret"}


async def test_no_credential_is_in_anything_that_is_said(caplog):
    caplog.set_level(logging.DEBUG)
    url = Url(key_set(jwk("k1")))
    said: list[str] = []
    for auth in (AuthOptions(), AuthOptions(roles=frozenset(("admin",)))):
        gateway = Gateway(
            jwt_options(jwks_url=SECRET_URL),
            KEYS,
            CertificatesOptions(name="machines"),
            auth=auth,
            url=url,
        )
        gateway.providers.start()
        await settled()
        for credential in _credentials():
            gateway.clock.advance(11)
            url.answer = OSError(SECRET_URL) if url.asked % 2 else key_set(jwk("k1"))
            call, error = await gateway.call(credential)
            said += [repr(call.identity), str(call.identity)]
            if error is not None:
                said += [
                    str(error),
                    repr(error),
                    repr(error.args),
                    *traceback.format_exception(error),
                ]
        for event in gateway.said:
            said += [repr(part) for part in event]
            said.append(repr(event))
        for provider in gateway.providers.by_name.values():
            said += [repr(provider), repr(vars(provider))]
            said += [repr(getattr(provider, "_options", None)), repr(vars(provider).get("options"))]
            verified = getattr(provider, "verified", None)
            said.append(repr(vars(verified) if verified is not None else None))
        said.append(repr(gateway.auth))
        await gateway.providers.stop()
    everything = "\n".join((*said, caplog.text))
    assert "UNAUTHENTICATED" in everything
    assert "ann" in everything
    found = {part for part in _secret_parts() if part in everything}
    assert found == set()


async def test_options_show_neither_hashes_nor_urls():
    shown = repr((KEYS, jwt_options(jwks_url=SECRET_URL)))
    assert "url-secret" not in shown
    assert repr(KEYS.keys[0].sha256) not in shown


async def test_memory_of_tokens_holds_none(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("k1")))
    gateway = Gateway(jwt_options(jwks_file=path))
    text = token()
    assert (await gateway.bearer(text))[1] is None
    kept = pickle.dumps(dict(gateway.providers.by_name["corp"].verified._tokens))
    assert b"ann" in kept
    assert all(part.encode() not in kept for part in text.split("."))
