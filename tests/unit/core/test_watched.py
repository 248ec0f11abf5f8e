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


async def _look(watch: WatchedFiles, times: int = 2) -> None:
    for _ in range(times):
        await watch.look()


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


async def test_what_has_not_changed_is_not_read_again(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    await _look(_watch(path, reader), 3)
    assert reader.reads == 0


async def test_a_file_that_is_replaced_is_read_once(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    _replace(path, "b")  # the same size
    await _look(watch, 4)
    assert reader.reads == 1


async def test_a_change_is_believed_when_two_looks_see_the_same(
    tmp_path: Path, reader: _Reader
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    with path.open("w") as file:
        for text in ("one", "two", "three"):
            file.write(text)
            file.flush()
            await watch.look()
            assert reader.reads == 0
    await watch.look()
    assert reader.reads == 1


async def test_what_is_as_it_was_before_the_second_look_is_no_change(
    tmp_path: Path, reader: _Reader
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")
    watch = _watch(link, reader)
    for name in ("two", "one"):
        link.unlink()
        link.symlink_to(tmp_path / name)
        await watch.look()
    await watch.look()
    assert reader.reads == 0


async def test_a_link_that_is_set_to_another_file_is_a_change(
    tmp_path: Path, reader: _Reader
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")
    watch = _watch(link, reader)
    link.unlink()
    link.symlink_to(tmp_path / "two")
    await _look(watch)
    assert reader.reads == 1


async def test_rights_that_are_given_are_a_change(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    path.chmod(0)
    watch = _watch(path, reader)
    path.chmod(0o600)
    await _look(watch)
    assert reader.reads == 1


async def test_a_missing_file_is_a_change_and_its_return_another(
    tmp_path: Path, reader: _Reader
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    path.unlink()
    await _look(watch)
    assert reader.reads == 1
    path.write_text("a")
    await _look(watch)
    assert reader.reads == 2


async def test_a_reader_that_is_not_done_is_called_at_every_look(
    tmp_path: Path, reader: _Reader
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watch = _watch(path, reader)
    reader.accepts = False
    _replace(path, "b")
    await _look(watch, 3)
    assert reader.reads == 2
    reader.accepts = True
    await _look(watch)
    assert reader.reads == 3


async def test_a_reader_that_raises_is_called_again(
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
    await _look(watch, 3)
    assert len(reads) == 2
    assert "could not be read again" in caplog.text


async def test_a_reader_that_takes_its_time_is_awaited_and_not_called_twice(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    reads = []

    async def read() -> bool:
        reads.append(1)
        return await done

    clock = FakeClock()
    watch = WatchedFiles([path], read, clock)
    watch.start()
    await asyncio.sleep(0)
    _replace(path, "b")
    for _ in range(4):
        clock.advance(1)
        for _ in range(3):
            await asyncio.sleep(0)
    assert len(reads) == 1
    done.set_result(True)
    for _ in range(4):
        await asyncio.sleep(0)
        clock.advance(1)
    assert len(reads) == 1
    await watch.stop()


async def test_it_looks_by_the_clock_until_it_is_stopped(tmp_path: Path, reader: _Reader) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    clock = FakeClock()
    watch = WatchedFiles([path], reader, clock, interval_s=1.0)
    watch.start()
    await asyncio.sleep(0)
    _replace(path, "b")
    for wait_s, reads in ((1.0, 0), (0.9, 0), (0.1, 1)):
        clock.advance(wait_s)
        for _ in range(3):
            await asyncio.sleep(0)
        assert reader.reads == reads
    await watch.stop()
    _replace(path, "c")
    clock.advance(5)
    await asyncio.sleep(0)
    assert reader.reads == 1
