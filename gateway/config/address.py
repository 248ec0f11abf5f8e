"""HOST:PORT as operators write it."""

from dataclasses import dataclass

from gateway.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4, or IPv6 without brackets) and a port; 0 picks a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address_of(text: str) -> Address:
    """Read "HOST:PORT", "[IPv6]:PORT" or ":PORT" (every interface).

    Raises:
        ValueError: it is none of these; the sentence says what to write.
    """
    host, colon, port = text.strip().rpartition(":")
    if len(host) > 2 and host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address as [ADDRESS]:PORT")
    if (
        not colon
        or not (port.isascii() and port.isdigit())
        or int(port) > 65535
        or any(c in host for c in "*[]/ ")
    ):
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051")
    return Address(host or "0.0.0.0", int(port))


def parse_address(text: str, flag: str) -> Address:
    """Read an address as `address_of` does.

    Raises:
        ConfigError: it is none; `flag` says where it was written.
    """
    try:
        return address_of(text)
    except ValueError as error:
        raise ConfigError.one(flag, str(error)) from None
