"""Names of items, by which entries of files are found."""

from collections.abc import Sequence


class NameIndex:
    """Names of items, found also where a path is given in more or fewer folders.

    Parameters
    ----------
    names : sequence of str
        Names of all items of a data set, or none.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(names)
        ends: dict[str, str | None] = {}
        for name in names:
            end = name.rpartition("/")[2]
            ends[end] = None if end in ends else name  # of several, none
        self._ends = ends

    def __len__(self) -> int:
        return len(self._exact)

    def found(self, text: str) -> str | None:
        """The name that is meant; None if there is none, or it may be one of several."""
        if text in self._exact:
            return text
        rest = text.replace("\\", "/")
        if "/" not in rest:
            return self._ends.get(rest)
        while "/" in rest:
            rest = rest.partition("/")[2]
            if rest in self._exact:
                return rest
        return None
