"""Where a run finds its place in a folder in which another one may have its name."""

from itertools import count
from pathlib import Path

from clustlab.errors import ParameterError


def place_for(path: Path, *, beside: bool) -> Path:
    """Place that a run can take: its own, or one beside another run of its name.

    Raises
    ------
    ParameterError
        If there is another one, and it is not to come beside that.
    """
    if not path.exists():
        return path
    if not beside:
        raise ParameterError(
            f"There is another run {path.name!r} by now, such as the same one from a pack.",
            "The deleted one can come back beside it, under a name of its own.",
        )
    return next(
        place for n in count(2) if not (place := path.with_name(f"{path.name}-{n}")).exists()
    )
