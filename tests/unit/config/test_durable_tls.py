from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from google.protobuf.json_format import ParseDict
from seawall.config.v1.config_pb2 import State
from support.certificates import Authority

from gateway.config.durable_tls import durable_tls_mistakes
from gateway.config.state import state_mistakes
from gateway.state.durable.url import PostgresUrl, parse_durable_url

CA = Authority("CA")
Told = Callable[..., list[str]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """Return what is wrong with options; their files are in a folder of the test's own."""
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    (tmp_path / "junk.pem").write_text("junk")
    CA.issue("seawall").write(tmp_path)
    CA.issue("other").write(tmp_path, "other-")

    def tell(environ: dict[str, str] | None = None, **options: str) -> list[str]:
        said = {
            name: str(tmp_path / value) if value.endswith(".pem") else value
            for name, value in options.items()
        }
        url = parse_durable_url(f"postgresql://db/seawall?{urlencode(said)}")
        assert isinstance(url, PostgresUrl)
        return list(durable_tls_mistakes(url, {"HOME": str(tmp_path), **(environ or {})}))

    return tell


@pytest.mark.parametrize(
    "options",
    [
        {"sslmode": "require"},
        {"sslmode": "verify-full", "sslrootcert": "ca.pem"},
        {"sslmode": "require", "sslcert": "cert.pem", "sslkey": "key.pem"},
    ],
)
def test_files_that_can_be_used_are_no_mistake(options: dict[str, str], told: Told) -> None:
    assert told(**options) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"sslmode": "verify-full"},
            "sslmode=verify-full needs sslrootcert: a file of the authorities that are trusted",
        ),
        ({"sslmode": "verify-ca"}, "sslmode=verify-ca needs sslrootcert"),
        ({"sslrootcert": "none.pem"}, "sslrootcert cannot be read: no such file or directory"),
        ({"sslrootcert": "junk.pem"}, "sslrootcert holds no PEM certificates"),
        ({"sslcrl": "none.pem"}, "sslcrl cannot be read: no such file or directory"),
        ({"sslcrl": "junk.pem"}, "sslcrl holds no PEM list of what was revoked"),
        ({"sslcert": "none.pem"}, "sslcert and sslkey cannot be read: no such file or directory"),
        (
            {"sslcert": "cert.pem", "sslkey": "other-key.pem"},
            "sslcert and sslkey hold no PEM certificate and its key, without a password",
        ),
        ({"sslcert": "cert.pem"}, "sslcert and sslkey hold no PEM certificate and its key"),
        ({"sslkey": "key.pem"}, "sslkey is the key of sslcert, which is not said"),
    ],
)
def test_files_that_cannot_be_used_are_told_by_option(
    options: dict[str, str], sentence: str, told: Told, tmp_path: Path
) -> None:
    (text,) = told(**options)
    assert text.startswith(sentence)
    assert str(tmp_path) not in text


def test_authorities_may_be_where_the_driver_looks_by_itself(told: Told, tmp_path: Path) -> None:
    assert told({"PGSSLROOTCERT": "/etc/ca.pem"}, sslmode="verify-full") == []
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_bytes(CA.pem)
    assert told(sslmode="verify-full") == []


def test_they_stop_the_start() -> None:
    url = "postgresql://db/seawall?sslmode=verify-ca&sslrootcert=/none/ca.pem"
    ((at, text),) = state_mistakes(ParseDict({"durable": url}, State()))
    assert (at, text) == ("durable", "sslrootcert cannot be read: no such file or directory")
