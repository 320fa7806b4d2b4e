"""The charts of the pages, for notebooks: each takes a run and a step.

Charts are Altair's; sheets of images are Pillow's. A notebook shows either where it is the last
line of a cell.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clustlab.data.new_files import new_file
from clustlab.errors import ParameterError
from clustlab.scripting.runs import LAST, OpenRun
from clustlab.views import curves as learning
from clustlab.views import matrices, scatter, sheets

if TYPE_CHECKING:
    import altair as alt
    from PIL.Image import Image

USUAL = ("acc", "nmi", "changed")
ACROSS = 12  # images of a cluster in a row


def embedding(
    run: OpenRun,
    step: int = LAST,
    *,
    colour_by: Literal["cluster", "class", "correct", "confidence", "changes"] = "cluster",
) -> "alt.LayerChart":
    """Items on the principal components of the embedding, turned onto the step before.

    Raises
    ------
    ParameterError
        If nothing of this kind is known of the items.
    """
    view = run.view(step)
    labels = view.labels
    table = scatter.dots(
        view.timeline.points(view.step),
        view.clusters,
        labels=labels,
        class_names=view.dataset.class_names,
        classes=None if labels is None else view.class_of,
        confidence=view.confidence,
        changes=view.changes,
    )
    if colour_by not in scatter.colourings(table):
        raise ParameterError(
            f"Items cannot be coloured by {colour_by!r}.",
            f"Choose one of: {', '.join(scatter.colourings(table))}.",
        )
    title = f"{run.title}, step {view.step}"
    names = list(view.dataset.item_names)
    chart: Any = scatter.embedding(table, colour_by=colour_by, names=names, title=title)
    return chart


def confusion(run: OpenRun, step: int = LAST) -> "alt.LayerChart":
    """True classes by clusters; raises `ParameterError` without labels."""
    view = run.view(step)
    if view.labels is None:
        raise ParameterError(
            f"The items of {run.title} have no labels.", "Look at the clusters instead."
        )
    return matrices.confusion(
        view.labels,
        view.clusters,
        view.dataset.class_names,
        classes=view.class_of,
        ids=view.ids,
        title=f"{run.title}, step {view.step}",
    )


def shifts(run: OpenRun, step: int = LAST, since: int | None = None) -> "alt.LayerChart":
    """Clusters of an earlier step by those of a step: where items went; by default one step.

    Raises
    ------
    ParameterError
        If there is no earlier step.
    """
    view = run.view(step)
    before = view.step - 1 if since is None else since
    if not 0 <= before < view.step:
        raise ParameterError(
            f"Shifts end at step {view.step} and cannot begin at step {before}.",
            "Choose a later step to look at, or an earlier one to begin with.",
        )
    return matrices.transition(
        run.assignments(before),
        view.clusters,
        view.timeline.n_ids(),
        title=f"{run.title}, from step {before} to {view.step}",
    )


def clusters(run: OpenRun, step: int = LAST, *, across: int = ACROSS, tile: int = 32) -> "Image":
    """The most typical items of each cluster, a row a cluster, as one image."""
    from PIL import Image

    view = run.view(step)
    ids = [int(each) for each in view.ids if (view.clusters == each).any()]
    rows = [
        sheets.order("central", np.flatnonzero(view.clusters == each), view.snapshot, limit=across)
        for each in ids
    ]
    sheet = sheets.cluster_rows(
        view.dataset.pictures, rows, clusters=ids, tile=tile, columns=across, wrong=view.wrong
    )
    return Image.fromarray(np.asarray(sheet.pixels))


def curves(run: OpenRun, *scores: str) -> "alt.LayerChart":
    """Scores over all steps, by their keys; by default accuracy, NMI and changed labels.

    Raises
    ------
    ParameterError
        If there is no such score.
    """
    table = run.curves()
    known = [name for name in table.columns if name != "step" and table[name].notna().any()]
    wanted = scores or tuple(name for name in USUAL if name in known)
    for name in wanted:
        if name not in known:
            raise ParameterError(
                f"{run.title} has no score {name!r}.", f"It has {', '.join(known)}."
            )
    timeline = run.view(LAST).timeline
    return learning.metrics(
        table, wanted, phases=(), read_anew=timeline.read_anew(), title=run.title
    )


def save(
    chart: "alt.TopLevelMixin | Image",
    path: str | Path,
    *,
    size: Literal["column", "page"] = "page",
    title: str | None = None,
    caption: str = "",
    force: bool = False,
) -> Path:
    """Write a chart or image as PNG, SVG or PDF, on a light ground, with its fonts, as `path` ends.

    Parameters
    ----------
    chart : Chart or Image
        Of this module or of your own; an image without title and caption stays as it is in a PNG.
    size : str
        `column` is 86 mm wide, `page` 178 mm.
    title : str, optional
        What stands above it; by default the title that it has, and nothing if it is empty.
    caption : str
        What stands below it.
    force : bool
        Whether it may replace a file.

    Raises
    ------
    ParameterError
        If the name ends in no such kind, or there is a file already.
    """
    from clustlab.views import pictures, specification

    target = Path(path)
    kind: Any = target.suffix.lower().lstrip(".")
    if kind not in pictures.MIME:
        raise ParameterError(
            f"{target.name} does not end in PNG, SVG or PDF.", "Such as: figure.png."
        )
    is_pixels = not hasattr(chart, "to_dict")
    if is_pixels and kind == "png" and not (title or caption):
        content = sheets.png(np.asarray(chart))
    else:
        drawn = np.asarray(chart) if is_pixels else specification.vega_lite_spec(chart)  # type: ignore[arg-type]
        content = pictures.picture(drawn, kind, size=size, title=title, caption=caption)
    with new_file(target, force=force) as temporary:
        temporary.write_bytes(content)
    return target
