"""Methods that lead back to themselves."""

from collections.abc import Iterator, Mapping, Sequence


def circles(calls: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield circles, each once, beginning and ending with one method.

    There is one wherever there are any, though not every one of those that share methods.

    Args:
        calls: what each method calls, by name; names that are no key call nothing.
    """
    done: set[str] = set()
    for start in calls:
        if start in done:
            continue
        way = [start]
        open_: list[Iterator[str]] = [iter(calls[start])]
        while open_:
            name = next(open_[-1], None)
            if name is None:
                open_.pop()
                done.add(way.pop())
            elif name in way:
                yield (*way[way.index(name) :], name)
            elif name not in done:
                way.append(name)
                open_.append(iter(calls.get(name, ())))
