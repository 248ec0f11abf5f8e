"""Header blocks: the examples of RFC 7541, and what cannot be read is an error."""

import string

import pytest

from bench.hpack import HeaderError, literals

# Appendix C.6.1: a response with Huffman-coded strings, as a server without a table sends it.
CODED = {
    "6402": b"302",
    "aec3771a4b": b"private",
    "d07abe941054d444a8200595040b8166e082a62d1bff": b"Mon, 21 Oct 2013 20:13:21 GMT",
    "9d29ad171863c78f0b97c8e9ae82ae43d3": b"https://www.example.com",
    "f1e3c2e5f23a6ba0ab90f4ff": b"www.example.com",
    "a8eb10649cbf": b"no-cache",
    "25a849e95ba97d7f": b"custom-key",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587"
    "316065c003ed4ee5b1063d5007": b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
}


def field(name: bytes, coded: str) -> bytes:
    value = bytes.fromhex(coded)
    assert len(value) < 127
    return bytes((0, len(name))) + name + bytes((0x80 | len(value),)) + value


@pytest.mark.parametrize(("coded", "text"), CODED.items())
def test_huffman_coded_text_is_read_as_the_specification_does(coded, text):
    assert literals(field(b"any", coded)) == [(b"any", text)]


def test_a_coded_name_is_read_too():
    name = bytes.fromhex("25a849e95ba97d7f")
    block = bytes((0, 0x80 | len(name))) + name + b"\x011"
    assert literals(block) == [(b"custom-key", b"1")]


# From the table of appendix B: a word of each length that printable ASCII has.
@pytest.mark.parametrize(
    ("character", "bits"),
    [
        ("0", "00000"),
        (" ", "010100"),
        ("u", "101101"),
        (":", "1011100"),
        ("z", "1111011"),
        ("Z", "11111101"),
        ("?", "1111111100"),
        ("|", "11111111100"),
        (">", "111111111011"),
        ("~", "1111111111101"),
        ("}", "11111111111101"),
        ("{", "111111111111110"),
        ("\\", "1111111111111110000"),
    ],
)
def test_words_of_every_length_are_known(character, bits):
    padded = bits + "1" * (-len(bits) % 8)
    coded = int(padded, 2).to_bytes(len(padded) // 8, "big").hex()
    assert literals(field(b"any", coded)) == [(b"any", character.encode())]


def test_every_printable_character_has_a_word():
    from bench.hpack import _WORDS

    printable = set(string.printable) - set("\t\n\r\x0b\x0c")
    assert {chr(octet) for octet in _WORDS.values()} - {"\0"} == printable


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (field(b"any", "fffffff0"), "not printable ASCII"),
        (field(b"any", "64"), "a wrong end"),
        (b"\xff\x00", "a header table that it was told not to use"),
    ],
)
def test_what_cannot_be_read_is_an_error(block, expected):
    with pytest.raises(HeaderError, match=expected):
        literals(block)
