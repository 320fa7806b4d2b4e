"""What an imported set says of itself in its folder: `about.json` and `refused.json`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from clustlab.data.checked_json import Count, Moment, Name, PlainName, Text, Unreadable, parsed
from clustlab.errors import DataError
from clustlab.types import Labelling

SCHEMA = 1
LONGEST_TITLE = 200  # letters of a title, and of names of features and classes
LONGEST_TEXT = 10_000  # letters of everything else
REFUSALS_KEPT = 10_000

Kind = Literal["images", "vectors"]


class LabellingAbout(TypedDict):
    """One set of classes."""

    title: Name
    class_names: list[Text]
    file: NotRequired[PlainName]  # with the labels; `labels-<place>.npy` unless it is given


class About(TypedDict):
    """`about.json` of an imported set."""

    schema: int
    name: PlainName
    title: Name
    kind: Kind
    shape: list[Count]  # of all items
    fingerprint: PlainName
    origin: Text
    conversion: Text
    created: Moment
    labellings: list[LabellingAbout]
    columns: list[Text]
    has_names: bool
    image_shape: list[Count] | None
    parent: NotRequired[Text]
    features: NotRequired[Text]
    made_by: NotRequired[Text]
    n_refused: NotRequired[Count]


class RefusedAbout(TypedDict):
    """Something that did not come in: a line of `refused.json`."""

    name: Text
    reason: Text


def file_of(labelling: LabellingAbout, place: int) -> str:
    """File with the labels of a set of classes, by its place among all."""
    return labelling.get("file", f"labels-{place}.npy")


def about_labelling(title: str, labelling: Labelling) -> LabellingAbout:
    """What is said of a set of classes."""
    names = distinct(labelling.class_names)
    return {"title": clean(title, LONGEST_TITLE), "class_names": names}


# -- text that anybody can read again ------------------------------------------------------------
def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text without what is no letter at all, such as names of files in no known encoding, cut."""
    return text.encode("utf-8", "replace").decode("utf-8")[:longest]


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names cut to the length of a title, with a number where that makes two of them equal."""
    seen, numbers = set(taken), dict[str, int]()
    told = []
    for name in names:
        cut = whole = clean(name, LONGEST_TITLE)
        while cut in seen:
            numbers[whole] = numbers.get(whole, 1) + 1
            end = f" ({numbers[whole]})"
            cut = whole[: LONGEST_TITLE - len(end)] + end
        seen.add(cut)
        told.append(cut)
    return told


def as_text(about: Mapping[str, Any]) -> str:
    """Text of `about.json`.

    Raises
    ------
    DataError
        If it could not be read again, such as for names beyond all measure.
    """
    text = json.dumps(about, ensure_ascii=False)
    try:
        parsed(text.encode(), About)
    except Unreadable as error:
        raise DataError(
            f"What this data set says of itself could not be read again: {error}.",
            "Bring in fewer sets of classes and features, or give them shorter names.",
        ) from error
    return text


def refusals_as_text(refused: Sequence[Mapping[str, str]]) -> str:
    """Text of `refused.json`, with the first of them."""
    kept = [
        {key: clean(each[key], LONGEST_TITLE) for key in ("name", "reason")}
        for each in refused[:REFUSALS_KEPT]
    ]
    return json.dumps(kept, ensure_ascii=False)
