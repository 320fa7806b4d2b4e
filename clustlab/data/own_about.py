"""What an imported set says of itself in its folder: `about.json` and `refused.json`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from clustlab.data.checked_json import Count, Moment, Name, PlainName, Text, Unreadable, parsed
from clustlab.errors import DataError, ParameterError
from clustlab.types import Labelling

SCHEMA = 1
LONGEST_NAME = 60  # letters of a name for addresses and commands
LONGEST_TITLE = 200  # letters of a title, and of names of features and classes
LONGEST_TEXT = 10_000  # letters of everything else
REFUSALS_KEPT = 10_000

Kind = Literal["images", "vectors"]
Fit = Literal["crop", "pad", "stretch"]
"""How an image of other proportions is brought to the common size: its middle is cut out, it is
laid on a ground, or it is distorted."""
Ground = Literal["black", "white"]
RangeOf = Literal["array", "16 bits", "32 bits", "decimals"]
"""What held the values of images: an array, or files of grey images of such a kind."""
Range = tuple[RangeOf, float, float]
"""Values that became black and white, and of what."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """How images came in, so that others can be treated alike."""

    fit: Fit
    ground: Ground
    ranges: tuple[Range, ...]


class TreatmentAbout(TypedDict):
    """The same in `about.json`."""

    fit: Fit
    ground: Ground
    ranges: list[Range]


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
    treatment: NotRequired[TreatmentAbout]


class RefusedAbout(TypedDict):
    """Something that did not come in: a line of `refused.json`."""

    name: Text
    reason: Text


def file_of(labelling: LabellingAbout, place: int) -> str:
    """File with the labels of a set of classes, by its place among all."""
    return labelling.get("file", f"labels-{place}.npy")


def treatment_in(about: About) -> Treatment | None:
    """How the images of a set came in; None if it is not said."""
    if told := about.get("treatment"):
        return Treatment(told["fit"], told["ground"], tuple(told["ranges"]))
    return None


def about_labelling(title: str, labelling: Labelling) -> LabellingAbout:
    """What is said of a set of classes."""
    names = distinct(labelling.class_names)
    return {"title": clean(title, LONGEST_TITLE), "class_names": names}


def name_from(title: str) -> str:
    """Name for addresses and commands from what a set is called, such as `my-cells` of `My cells`.

    Raises
    ------
    ParameterError
        If no letter or digit is left of it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:LONGEST_NAME].strip("-")
    if not name:
        raise ParameterError(
            f"{title!r} cannot be the name of a data set.",
            "Use at least one letter from a to z, or a digit.",
        )
    return name


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
