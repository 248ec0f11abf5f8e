"""A table of JSON records: list in pages, read, add, change, remove.

What every simulated REST service keeps its state in. In memory, and knows
neither HTTP nor what the records mean.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

Record = dict[str, Any]


class MissingError(LookupError):
    """There is no such record."""


class Records:
    """Records in the order in which they were added.

    Args:
        key: the field that holds a record's id.
        prefix: of the ids that are given, such as "ord".
        first: number of the first id that is given.
    """

    def __init__(self, key: str, prefix: str, first: int) -> None:
        self._key = key
        self._prefix = prefix
        self._numbers = itertools.count(first)
        self._records: dict[str, Record] = {}

    def add(self, record: Record, record_id: str | None = None) -> Record:
        """Add a record under `record_id`, or under a new id, and return it."""
        if record_id is None:
            record_id = f"{self._prefix}-{next(self._numbers)}"
        stored = {self._key: record_id, **{k: v for k, v in record.items() if k != self._key}}
        self._records[record_id] = stored
        return stored

    def get(self, record_id: str) -> Record:
        """Return a record.

        Raises:
            MissingError: there is none.
        """
        try:
            return self._records[record_id]
        except KeyError:
            raise MissingError(record_id) from None

    def change(self, record_id: str, values: Record, names: Iterable[str] | None) -> Record:
        """Change the fields `names`, or every field of `values`, and return the record.

        A named field that `values` does not have is removed: in the JSON of
        protobuf a field that is absent holds its default.

        Raises:
            MissingError: there is none.
        """
        record = self.get(record_id)
        for name in values if names is None else names:
            if name == self._key:
                continue
            if name in values:
                record[name] = values[name]
            else:
                record.pop(name, None)
        return record

    def remove(self, record_id: str) -> None:
        """Remove a record.

        Raises:
            MissingError: there is none.
        """
        self.get(record_id)
        del self._records[record_id]

    def all(self) -> list[Record]:
        """Return every record."""
        return list(self._records.values())

    def page(
        self, size: int, after: str, wanted: Callable[[Record], bool]
    ) -> tuple[list[Record], str]:
        """Return up to `size` wanted records after the one with the id `after`, and what follows.

        Args:
            size: at least 1.
            after: the token of the page before, empty for the first page.
            wanted: which records count.

        Returns:
            The records, and the token of the next page, empty on the last.

        Raises:
            MissingError: `after` is no token, or its record has been removed.
        """
        found = list(self._records)
        if after:
            self.get(after)
            found = found[found.index(after) + 1 :]
        records = [self._records[i] for i in found if wanted(self._records[i])]
        page = records[:size]
        return page, page[-1][self._key] if len(records) > size else ""
