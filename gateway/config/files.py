"""Reading what an operator names: regular files of a bounded size, or one sentence why not."""

from pathlib import Path


class UnreadableFileError(ValueError):
    """A file that cannot be used; says why, without its name."""


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file.

    A FIFO or a device is refused rather than waited for.

    Raises:
        UnreadableFileError: it is not there, no regular file, larger, or not readable.
    """
    try:
        if path.exists() and not path.is_file():
            raise UnreadableFileError(
                "cannot be read: is a directory" if path.is_dir() else "is not a regular file"
            )
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UnreadableFileError(f"cannot be read: {why}") from None
    except UnreadableFileError:
        raise
    except ValueError as error:  # a NUL in the name
        raise UnreadableFileError(f"cannot be read: {error}") from None
    if len(data) > max_bytes:
        raise UnreadableFileError(f"is larger than {max_bytes} bytes")
    return data


def read_text(path: Path, max_bytes: int) -> str:
    """Return the content of a UTF-8 text file, without a byte order mark.

    Raises:
        UnreadableFileError: as above, or it is not UTF-8.
    """
    try:
        return read_bytes(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFileError("is not UTF-8 text") from None
