import asyncio
import os
from pathlib import Path

import pytest
from fakes.clock import FakeClock

from gateway.core.watched import WatchedFiles


class _Reader:
    def __init__(self) -> None:
        self.reads = 0
        self.accepts = True

    def __call__(self) -> bool:
        self.reads += 1
        return self.accepts


@pytest.fixture
def reader() -> _Reader:
    return _Reader()


def _watch(path: Path, reader: _Reader) -> WatchedFiles:
    return WatchedFiles([path], reader, FakeClock())


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_what_has_not_changed_is_not_read_again(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    watch.look()
    assert reader.reads == 0


def test_a_file_that_is_replaced_is_read_once(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    _replace(path, "b")  # the same size
    watch.look()
    watch.look()
    assert reader.reads == 1


def test_a_link_that_is_set_to_another_file_is_a_change(tmp_path: Path, reader: _Reader) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")
    watch = _watch(link, reader)
    link.unlink()
    link.symlink_to(tmp_path / "two")
    watch.look()
    assert reader.reads == 1


def test_a_missing_file_is_a_change_and_its_return_another(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    path.unlink()
    watch.look()
    assert reader.reads == 1
    path.write_text("a")
    watch.look()
    assert reader.reads == 2


def test_what_was_not_accepted_is_read_at_every_look(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    reader.accepts = False
    _replace(path, "b")
    watch.look()
    watch.look()
    reader.accepts = True
    watch.look()
    watch.look()
    assert reader.reads == 3


def test_a_reader_that_raises_is_called_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    reads = []

    def read() -> bool:
        reads.append(1)
        raise OSError("no")

    watch = WatchedFiles([path], read, FakeClock())
    _replace(path, "b")
    watch.look()
    watch.look()
    assert len(reads) == 2
    assert "could not be read again" in caplog.text


async def test_it_looks_by_the_clock_until_it_is_stopped(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    clock = FakeClock()
    watch = WatchedFiles([path], reader, clock, interval_s=1.0)
    watch.start()
    await asyncio.sleep(0)
    _replace(path, "b")
    clock.advance(0.9)
    await asyncio.sleep(0)
    assert reader.reads == 0
    clock.advance(0.1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert reader.reads == 1
    await watch.stop()
    _replace(path, "c")
    clock.advance(5)
    await asyncio.sleep(0)
    assert reader.reads == 1
