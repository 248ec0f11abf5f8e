"""`${NAME}`, `${NAME:-default}` and `file:PATH`: values that live elsewhere.

Rules:
1. `${NAME}` is the variable's value, the empty one too; not set is a mistake.
   `${NAME:-default}` is the default where the variable is not set or empty.
2. What was put in is not looked at again. `$${` stands for `${` itself.
3. `file:PATH` is the whole content of a small text file, without the space around
   it. A relative PATH starts from the folder of the configuration file.
4. No sentence here repeats a value: it may be a secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.config.files import UnreadableFileError, read_text

MAX_FILE_BYTES = 64 * 1024
_SCHEME = "file:"
_REFERENCE = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|(?P<broken>\$\{)"
)


class BrokenReferenceError(ValueError):
    """A reference to the environment or to a file that cannot be followed."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its references to the environment replaced.

    Raises:
        BrokenReferenceError: a variable without a default is not set, or what
            follows "${" is no name.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        if match["broken"]:
            raise BrokenReferenceError(
                "'${' begins a reference: write ${NAME} or ${NAME:-default}, or $${ for '${' itself"
            )
        name, default = match["name"], match["default"]
        found = environ.get(name)
        if not found and default is not None:
            return default
        if found is None:
            raise BrokenReferenceError(
                f"the environment variable {name} is not set; "
                f"set it, or give a default: ${{{name}:-…}}"
            )
        return found

    return _REFERENCE.sub(value, text) if "${" in text else text


def is_file_reference(text: str) -> bool:
    """Tell whether `text` is "file:PATH"."""
    return text.startswith(_SCHEME)


def read_file(text: str, folder: Path) -> str:
    """Return what the file of "file:PATH" says.

    Args:
        text: the reference.
        folder: where a relative path starts.

    Raises:
        BrokenReferenceError: there is no such file, or it is no small text file.
    """
    name = text.removeprefix(_SCHEME)
    if not name:
        raise BrokenReferenceError("'file:' names no file; write file:PATH")
    path = folder / name
    try:
        value = read_text(path, MAX_FILE_BYTES).strip()
    except UnreadableFileError as error:
        raise BrokenReferenceError(f"{path} {error}") from None
    if not value:
        raise BrokenReferenceError(f"{path} is empty")
    return value
