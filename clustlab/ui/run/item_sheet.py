"""Items of a run as sheets of images to click, and as a table."""

from collections.abc import Callable

import pandas as pd

from clustlab.analysis import shares
from clustlab.data.item_names import IN_WHOLE_DRAW, item_words
from clustlab.types import Array, cluster_words
from clustlab.ui import session
from clustlab.ui.run.view import View
from clustlab.ui.widgets.clickable_sheet import Fit, clickable
from clustlab.views import sheets, theme

COLUMNS = 48  # at most; the browser wraps them where there is less room
TILE = 32  # side of an image in pixels


def item_line(view: View, index: int) -> str:
    """One item in a line: name, number, class, cluster."""
    words = [item_words(view.dataset, index), cluster_words(view.clusters[index])]
    if view.labels is not None and view.labels[index] >= 0:
        words.insert(1, view.class_name(int(view.labels[index])))
    return " · ".join(words)


def image_sheet(
    view: View,
    indices: Array,
    *,
    key: str,
    alt: str,
    fit: Fit = "wrap",
    with_menu: bool = True,
) -> None:
    """Clickable sheet of items, each framed in the colour of its cluster."""
    sheet = sheets.atlas(
        view.dataset.pictures,
        indices,
        tile=TILE,
        columns=COLUMNS,
        clusters=view.clusters[indices],
        wrong=view.wrong[indices],
    )
    show_sheet(view, sheet, key=key, alt=alt, fit=fit, of=sheets.atlas, with_menu=with_menu)


def show_sheet(
    view: View,
    sheet: sheets.Sheet,
    *,
    key: str,
    alt: str,
    of: Callable[..., sheets.Sheet],
    fit: Fit = "shrink",
    group: int = 1,
    with_menu: bool = True,
) -> None:
    """Clickable sheet, made by some view; a click opens the item in the inspector."""
    clickable(
        sheet,
        key=key,
        alt=alt,
        label=lambda i: item_line(view, i),
        on_pick=session.pick,
        fit=fit,
        group=group,
        reading=theme.reading(of),
        with_menu=with_menu,
    )


def item_table(view: View, indices: Array) -> pd.DataFrame:
    """Facts about items, one row each; the cluster of noise is -1."""
    frame = pd.DataFrame({"item": indices})
    if view.dataset.item_names:
        frame["name"] = [view.dataset.name_of(item) for item in indices.tolist()]
    frame["cluster"] = view.clusters[indices]
    if view.labels is not None:
        frame["class"] = [view.class_name(int(c)) for c in view.labels[indices]]
    frame["confidence"] = shares.rounded(view.confidence[indices])
    if view.dataset.original is not None:  # items were left out
        frame[IN_WHOLE_DRAW[0]] = view.dataset.original[indices]
    frame["label changes"] = view.timeline.flips(view.step)[indices]
    return frame
