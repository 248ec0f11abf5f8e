import pytest

from gateway.transcode.prose import quotable


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", ""),
        ("no such order", "no such order"),
        ("  two\n\tlines \r\n", "two lines"),
        ("bell\x07 and\x1b[31m red", "bell and [31m red"),
        ("right\u202eto left\u200b", "right to left"),
        ("<html>page</html>", ""),
        ("<!DOCTYPE html><p>x", ""),
        ("<?xml version='1.0'?>", ""),
        ("failed: <B>bold</B>", "failed:"),
        ("see <a href='x'>here</a>", "see"),
        ("a < b and c > d", "a < b and c > d"),
        ("java.util.List<java.lang.String>", "java.util.List<java.lang.String>"),
        ("size must be <max>", "size must be <max>"),
        ("grüße 日本", "grüße 日本"),
    ],
)
def test_text_is_one_printable_line_without_markup(text, quoted):
    assert quotable(text, 100) == quoted


def test_text_is_bounded():
    assert quotable("x" * 100, 100) == "x" * 100
    assert quotable("x" * 101, 100) == "x" * 99 + "…"
    assert len(quotable("ä " * 10_000_000, 100)) == 100
