"""Header blocks of HTTP/2 (RFC 7541), as far as a gRPC load client needs them.

Sits under `load.py`; must not know frames.

Rules:
1. What is sent: the first block of a connection fills the server's table, the others
   refer to it. Nothing is Huffman-coded.
2. What is received: the server was told to keep no table, so every field is spelled
   out or of the static table.
3. Huffman-coded text is understood where it is printable ASCII, which is all that gRPC
   allows in a header. The code is canonical: its words follow from their lengths.
"""

from collections.abc import Sequence


class HeaderError(Exception):
    """A header block cannot be read here."""


# Words of the Huffman code by length in bits, for printable ASCII. NUL and beyond stand for
# the octets between, whose words have to be counted (RFC 7541, appendix B).
_BY_LENGTH = (
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, '!"()?'),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
    (19, "\\"),
)


def _words() -> dict[tuple[int, int], int]:
    """Return the octet of each word, by length and value."""
    words: dict[tuple[int, int], int] = {}
    word = last = 0
    for length, octets in _BY_LENGTH:
        word <<= length - last
        last = length
        for octet in octets:
            words[length, word] = ord(octet)
            word += 1
    return words


_WORDS = _words()
_LONGEST_WORD = 19


def _decoded(coded: bytes) -> bytes:
    """Return Huffman-coded text; what is left at the end are ones (RFC 7541, 5.2)."""
    text = bytearray()
    length = word = 0
    for octet in coded:
        for shift in range(7, -1, -1):
            word = word << 1 | octet >> shift & 1
            length += 1
            found = _WORDS.get((length, word))
            if found is not None:
                text.append(found)
                length = word = 0
            elif length > _LONGEST_WORD:
                raise HeaderError("the server sends headers that are not printable ASCII")
    if length > 7 or word != (1 << length) - 1:
        raise HeaderError("the server sends Huffman-coded text with a wrong end")
    return bytes(text)


def request_blocks(
    authority: str, path: str, timeout: str, more: Sequence[tuple[str, str]] = ()
) -> tuple[bytes, bytes]:
    """Return the header block of a connection's first request and that of the others.

    Args:
        authority: "HOST:PORT".
        path: "/package.Service/Method".
        timeout: as grpc-timeout has it, "30S".
        more: metadata, names in lower case.
    """
    fixed = b"\x83\x86"  # :method POST, :scheme http of the static table
    fields = (
        (4, b"", path),
        (1, b"", authority),
        (0, b"te", "trailers"),
        (31, b"", "application/grpc"),
        (58, b"", "bench-load"),
        (0, b"grpc-timeout", timeout),
        *((0, name.encode(), value) for name, value in more),
    )
    first = fixed
    for index, name, value in fields:  # literals with incremental indexing
        first += bytes((0x40 | index,)) + (_string(name) if not index else b"")
        first += _string(value.encode())
    last = 61 + len(fields)  # the dynamic table begins at 62 with the newest entry
    return first, fixed + bytes(0x80 | last - i for i in range(len(fields)))


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    if len(text) < 255:
        return bytes((127, len(text) - 127)) + text
    raise ValueError(f"too long for a header here: {text!r}")


def literals(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a header block whose names are spelled out in it.

    Names of the static table come as b"": no gRPC trailer has one.

    Raises:
        HeaderError: the block needs a header table, or holds what gRPC does not send.
    """
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            if index > 61:
                raise HeaderError("the server refers to a header table that it was told not to use")
            continue
        if first & 0xE0 == 0x20:  # a change of the table's size
            _, at = _integer(block, at, 5)
            continue
        index, at = _integer(block, at, 6 if first & 0x40 else 4)
        name = b""
        if not index:
            name, at = _text(block, at)
        value, at = _text(block, at)
        found.append((name, value))
    return found


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    value = block[at] & (1 << bits) - 1
    at += 1
    if value < (1 << bits) - 1:
        return value, at
    shift = 0
    while True:
        octet = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return value, at


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    length, at = _integer(block, at, 7)
    text = block[at : at + length]
    return _decoded(text) if coded else text, at + length
