"""All that the session and the address hold, by name: nobody else spells a key.

A value of the session lasts until the tab is closed. What stands in the address lasts longer, and
can be sent to others. Keys of widgets that exist in many copies are made where they are drawn;
`widget` reads those.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from clustlab.errors import ClustlabError
from clustlab.runs.labels import Label
from clustlab.runs.store import Status

T = TypeVar("T")


@dataclass(frozen=True)
class SessionValue(Generic[T]):
    """One value of the session, under a key of its own; the default until it is set."""

    key: str
    default: T

    def get(self) -> T:
        """Value of the session."""
        value: T = st.session_state.get(self.key, self.default)
        return value

    def set(self, value: T) -> None:
        """Keep a value; that of a widget must be set before it is drawn."""
        st.session_state[self.key] = value

    def take(self) -> T:
        """Value of the session, which is forgotten."""
        value: T = st.session_state.pop(self.key, self.default)
        return value

    def forget(self) -> None:
        """Go back to the default."""
        st.session_state.pop(self.key, None)

    def is_set(self) -> bool:
        """Whether there is a value."""
        return self.key in st.session_state


@dataclass(frozen=True)
class QueryValue:
    """One parameter of the address; empty unless it is there."""

    key: str

    def get(self) -> str:
        """Text of the parameter."""
        return str(st.query_params.get(self.key, ""))

    def set(self, text: str) -> None:
        """Let the address carry a text."""
        st.query_params[self.key] = text

    def drop(self) -> None:
        """Take the parameter out of the address."""
        st.query_params.pop(self.key, None)

    def is_set(self) -> bool:
        """Whether the address carries the parameter."""
        return self.key in st.query_params


@dataclass(frozen=True)
class Drawn:
    """What the charts of a page are of, for the files that they are saved to."""

    file: str  # the beginning of its name
    title: str

    @classmethod
    def of(cls, *runs_shown: tuple[str, str, int]) -> Self:
        """Id, title and step of each run in sight."""
        return cls(
            "-".join(f"{shown[0]}-step-{shown[2]}" for shown in runs_shown),
            "; ".join(f"{shown[1]}, step {shown[2]}" for shown in runs_shown),
        )


def widget(key: str) -> SessionValue[Any]:
    """Value of a widget of which there are many, or what belongs to it; None if not drawn yet."""
    return SessionValue(key, None)


def marked(key: str, name: str) -> Any:
    """What is marked in a chart by its selection of this name; empty if nothing is."""
    return st.session_state[key]["selection"].get(name) or []


def binding(key: str) -> Literal["query-params"] | None:
    """How the widget of a number is bound to the address under its key.

    Streamlit fails at a number that is infinite, so that one is dropped, and not read.
    """
    texts = st.query_params.get_all(key)
    if not any(map(_is_infinite, texts)):
        return "query-params"
    with contextlib.suppress(StreamlitAPIException):  # it cannot be dropped once it is bound
        st.query_params.pop(key)
    return None


def _is_infinite(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False


def keep_in_address(names: Sequence[str], **others: str) -> None:
    """Leave of the address only these parameters, and set the others."""
    known = st.query_params.to_dict()
    st.query_params.from_dict({k: v for k, v in known.items() if k in names} | others)


# -- the run that is looked at -----------------------------------------------------------------
RUN = SessionValue[str | None]("run", None)
STEP = SessionValue[int | None]("step", None)  # None follows the newest
DRAWN = SessionValue[Drawn | None]("drawn", None)  # by the page at present
AWAITED = SessionValue[tuple[str, str] | None]("awaited", None)
"""A queued run to look at once it starts, and the one that is looked at meanwhile."""
RUN_IN_ADDRESS, STEP_IN_ADDRESS = QueryValue("run"), QueryValue("step")
ITEM_IN_ADDRESS = QueryValue("item")
EARLIER_STEP = SessionValue[int | None]("from_step", None)  # to compare with the one in view
EARLIER_STEP_IN_ADDRESS = QueryValue("since")
EARLIER_SLIDER = SessionValue[int]("from-slider", 0)
SEEN_STATUS = SessionValue[tuple[str, Status] | None]("status-of", None)  # of which run, and what

CLASS_RULE = SessionValue[str | None]("class-rule", None)  # what a cluster stands for
CLASS_RULE_SWITCH = SessionValue[str]("class-rule-switch", "")
CLASS_RULE_IN_ADDRESS = QueryValue("stands-for")

SHARES_ARE_OF = SessionValue("shares-are-of", "class")  # in the confusion matrix

# -- playing through the steps -----------------------------------------------------------------
SCRUBBER = SessionValue[int]("scrub", 0)
LEFT_BY_BUTTON = SessionValue[tuple[int, float]]("left-by-button", (-1, 0.0))
"""The step that a button has left last, and when, in seconds of the monotonic clock."""
IS_PLAYING = SessionValue("playing", False)
WAS_PLAYING = SessionValue("was-playing", False)
NEXT_FRAME = SessionValue("frame-due", 0.0)  # seconds of the monotonic clock

# -- what is selected --------------------------------------------------------------------------
SELECTED = SessionValue[tuple[list[int], str]]("selected", ([], ""))  # items, and what they are
PICKED = SessionValue[int | None]("picked", None)
HAS_MARKS = SessionValue("marked", False)  # in charts
TIMES_CLEARED = SessionValue("cleared", 0)
ITEM_NAME = SessionValue("item-name", "")  # to find an item by
NAME_NOT_FOUND = SessionValue("name-not-found", "")
CHOSEN_BY_KEYS = SessionValue[tuple[str, Any, str]]("chosen", ("", None, ""))  # chart, what, title

FOLLOWED = SessionValue[Mapping[str, Any]]("followed", {})  # parts of the page: see widgets.live

# -- from one page to the next -----------------------------------------------------------------
NEXT_PAGE = SessionValue[str | None]("go-next", None)
CALLBACK_ERROR = SessionValue[ClustlabError | None]("callback-error", None)

# -- the form of the page Train ----------------------------------------------------------------
DATASET = SessionValue("dataset", "")
DATASET_IN_ADDRESS = QueryValue("dataset")
FEATURES = SessionValue("features", "")  # the set of features that the method sees, if any
METHOD = SessionValue("method", "")
METHOD_IN_ADDRESS = QueryValue("method")
SEED = SessionValue("seed", 0)
DEVICE = SessionValue("device", "auto")
IS_MIXED = SessionValue("mixed", False)
IS_FORM_OPEN = SessionValue("form-open", False)
FORM_IN_ADDRESS = QueryValue("form")
FORM_OF = SessionValue[str | None]("form-of", None)  # the run that the form has last followed
PREFILL = SessionValue[str | None]("prefill", None)  # the run whose settings to take over
PREFILL_EXCLUDED = SessionValue[Sequence[int] | None]("prefill-excluded", None)
LEFT_OUT = SessionValue[Mapping[str, Any] | None]("left-out", None)  # key of the draw, and rows
COPIES_DRAWN = SessionValue("rehearsal-draws", 0)

# -- the page Compare --------------------------------------------------------------------------
COMPARED = SessionValue[list[str]]("compared", [])  # ids of the runs
COMPARED_IN_ADDRESS = QueryValue("runs")
COMPARED_PICK = SessionValue[list[str]]("compare-pick", [])
COMPARED_STATUSES = SessionValue[list[tuple[Status, bool]] | None]("compare-status", None)
"""Status of each run when drawn last, and whether it had begun."""
COMPARED_AT = SessionValue[float | None]("compare-at", None)  # place of the slider, None the end
COMPARED_AT_IN_ADDRESS = QueryValue("at")
COMPARED_SOURCE = SessionValue[str | None]("compare-source", None)  # chart last selected in

# -- the pages Methods and Data sets -------------------------------------------------------------
ABOUT_METHOD, ABOUT_METHOD_IN_ADDRESS = SessionValue("about", ""), QueryValue("about")
ABOUT_DATASET, ABOUT_DATASET_IN_ADDRESS = SessionValue("about-data", ""), QueryValue("about-data")

# -- the page Data sets ------------------------------------------------------------------------
REMOVED_SET = SessionValue[tuple[str, str]]("removed-set", ("", ""))  # name and title
BRING_IN_ADDRESS = QueryValue("bring")  # whether somebody brings in their own
BRING_TURN = SessionValue("bring-turn", 0)  # how often that was done
ATTACH_TURN = SessionValue("attach-turn", 0)  # how often classes were added

# -- other pages -------------------------------------------------------------------------------
PROJECTION = SessionValue[str | None]("projection", None)
RASTER_ROWS = SessionValue[tuple[int, int] | None]("raster-rows", None)
EXPLAINED = SessionValue[tuple[str, int, int] | None]("why-asked", None)  # run, step, item
QUERY = SessionValue[str | None]("query", None)
QUERY_IN_ADDRESS = QueryValue("query")
BASKET = SessionValue[str | None]("basket", None)
BASKET_NAME, BASKET_NOTE = SessionValue("basket-name", ""), SessionValue("basket-note", "")
BASKET_SAVED = SessionValue[str | None]("basket-saved", None)
BASKET_PROBLEM = SessionValue[ClustlabError | None]("basket-problem", None)
BASKETS_PROBLEM = SessionValue[ClustlabError | None]("baskets-problem", None)
DELETED_BASKET = SessionValue[tuple[str, str]]("basket-deleted", ("", ""))  # slug and name
COMBINED_NAME = SessionValue("combine-name", "")
COMBINED_HOW = SessionValue("combine-how", "")
COMBINED_FIRST, COMBINED_SECOND = SessionValue("combine-a", ""), SessionValue("combine-b", "")
DOWNLOADING = SessionValue[str | None]("downloading", None)
SABOTAGE = SessionValue[str | None]("sabotage-entry", None)
SABOTAGE_SHOWN = SessionValue[str | None]("sabotage-shown", None)
SABOTAGE_IN_ADDRESS = QueryValue("entry")

# -- studies ------------------------------------------------------------------------------------
STUDY, STUDY_IN_ADDRESS = SessionValue("chosen-study", ""), QueryValue("study")
STUDY_FIGURE = SessionValue("study-figure", "")
NEW_STUDY = SessionValue("new-study", "")  # its name, in the form
DELETED_STUDY = SessionValue("study-deleted", "")  # its name

# -- claims ---------------------------------------------------------------------------------------
CLAIM = QueryValue("claim")
CLAIM_SCALE = SessionValue("claim-scale", "small")
CLAIM_STARTED = SessionValue[tuple[str, str]]("claim-started", ("", ""))
"""Claim and scale that a button has started, whose later runs are queued as they can be."""
CLAIM_SEED = SessionValue[int | None]("claim-seed", None)  # whose table is shown

# -- the page Runs -----------------------------------------------------------------------------
DELETED_RUNS = SessionValue[list[str]]("deleted", [])
UNPACKED = SessionValue("unpacked", "")  # what has become of a pack, in words
UNPACK_TURN = SessionValue("unpack-turn", 0)  # how often one was brought in
LABEL_BEFORE = SessionValue[tuple[str, Label] | None]("label-before", None)  # of which run
WERE_ACTIVE = SessionValue("runs-active", False)  # any of the runs, when they were drawn last
RUN_WORDS = SessionValue("find", "")  # these stand in the address, too
RUN_DATASETS = SessionValue[list[str]]("find-data", [])
RUN_METHODS = SessionValue[list[str]]("find-method", [])
RUN_STATUSES = SessionValue[list[str]]("find-status", [])
RUN_TAGS = SessionValue[list[str]]("find-tag", [])
RUN_BY_HAND = SessionValue("find-by-hand", False)

# -- lessons -----------------------------------------------------------------------------------
LESSON, LESSON_STEP, SAID = QueryValue("lesson"), QueryValue("step"), QueryValue("said")
LOCKED, HIDDEN = QueryValue("lock"), QueryValue("hide")
TERM = QueryValue("term")  # of the glossary

OF_ONE_RUN: tuple[SessionValue[Any], ...] = (
    *(STEP, EARLIER_STEP, PICKED, SELECTED, IS_PLAYING, IS_FORM_OPEN),
)
"""What is forgotten when another run is looked at."""
OF_ONE_RUN_IN_ADDRESS = (
    STEP_IN_ADDRESS,
    ITEM_IN_ADDRESS,
    EARLIER_STEP_IN_ADDRESS,
    FORM_IN_ADDRESS,
)
