"""JSON that anybody may have written, checked against a declaration before it is used."""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

LONGEST = 8 * 2**20  # bytes of a text; parsed, it takes up to thirty times as much
DEEPEST = 16  # lists and groups within each other
LARGEST = 2**53  # whole numbers that all programs read alike

# -- what declarations are made of -------------------------------------------------------------
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Whole = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Moment = Annotated[float, Meta(ge=0, le=9e9)]  # seconds since 1970, to the year 2255
Name = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=100_000)]
PlainName = Annotated[str, Meta(pattern=r"^\w[\w .-]{0,199}\Z")]
"""Name of a file or folder that leads nowhere else."""
Setting = (
    None
    | bool
    | Whole
    | float
    | Annotated[str, Meta(max_length=1000)]
    | Annotated[list[float], Meta(max_length=30_000)]  # a share for each class
)

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a group of named values",
    "null": "nothing",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`| (<=|>=|matching|of length).*)")


class Unreadable(ValueError):
    """What a file holds is not what it should; the message says what is wrong, in words."""


def parsed(text: bytes, declared: type[T]) -> T:
    """Value of a declared type from JSON, nothing else of which is read.

    Raises
    ------
    Unreadable
        If a part is missing, is of another kind, or the text is too long or too deep.
    """
    return _decoded(text, declared)


def checked(value: Any, declared: type[T]) -> T:
    """Value of a declared type from lists and groups that were read otherwise, such as from TOML.

    Raises like `parsed`.
    """
    if _depth(value) > DEEPEST:
        raise Unreadable("it is nested too deeply")
    try:
        return msgspec.convert(value, type=declared)
    except msgspec.ValidationError as error:
        raise Unreadable(_in_words(str(error))) from error


def _decoded(text: bytes, declared: Any) -> Any:
    if len(text) > LONGEST:
        raise Unreadable(f"it has {len(text):,} bytes, more than {LONGEST:,}")
    try:
        return msgspec.json.decode(text, type=declared)
    except msgspec.ValidationError as error:
        raise Unreadable(_in_words(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("it is not whole, or no JSON") from error
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error


def parsed_with_all(text: bytes, declared: type[T]) -> T:
    """Group of named values from JSON, of which those that are declared are checked.

    The others are kept as they are, for newer versions. Raises like `parsed`.
    """
    checked: Any = parsed(text, declared)
    known = _decoded(text, Any)  # where what was skipped may be wrong, too
    others = {name: value for name, value in known.items() if name not in checked}
    if _depth(others) > DEEPEST:
        raise Unreadable("it is nested too deeply")
    checked.update(others)
    return checked


def _depth(value: Any) -> int:
    """Lists and groups within each other, counted to one more than are allowed."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = [each for each in inner if isinstance(each, dict | list)]
        depth += 1
    return depth


def _in_words(reason: str) -> str:
    """What is wrong, from the words of the library, such as 'seed should be a number, not text'."""
    reason, _, place = reason.partition(" - at `$")
    name = place.rstrip("`").removeprefix(".")
    what = f"'{name}'" if name else "it"
    if reason.startswith("Object missing required field"):
        missing = reason.split("`")[1]
        return f"'{name}.{missing}' is missing" if name else f"'{missing}' is missing"
    if reason.startswith("Object contains unknown field"):
        other = reason.split("`")[1]
        return f"'{name}.{other}' is not known here" if name else f"'{other}' is not known here"
    if reason.startswith("Invalid enum value"):
        return f"{what} is {reason.removeprefix('Invalid enum value ')}, which is not known here"
    match = _EXPECTED.match(reason)
    if match is None:
        return f"{what} cannot be used: {reason}"
    expected, got, _ = match.groups()
    if got is None:
        return f"{what} is out of range, too long, or no plain name"
    wanted = " or ".join(KINDS.get(kind, kind) for kind in expected.split(" | "))
    return f"{what} should be {wanted}, not {KINDS.get(got, got)}"
