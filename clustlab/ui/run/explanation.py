"""Why an item is in its cluster: maps, and the smallest change; and a rule for all of them."""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab import registry
from clustlab.analysis.shares import figure, percent
from clustlab.errors import ClustlabError
from clustlab.runs.store import ACTIVE, Run, RunStore
from clustlab.types import Array
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.views import maps

if TYPE_CHECKING:
    from clustlab.explaining.scorers import Scorer

TITLES = {
    "gradient": "gradient",
    "integrated-gradients": "integrated gradients",
    "guided-backpropagation": "guided backpropagation",
}
ANY = -1  # the nearest other cluster, whichever it is
SEED = 0  # of the random weights

_one_at_a_time = threading.Lock()  # two visitors must not rebuild the same network at once


@dataclass(frozen=True)
class Explanation:
    """Maps of one item for the score of one cluster, as the page draws them."""

    x: Array  # the item as the network takes it, (c, h, w) or (d,)
    best: int  # raw cluster of the highest score
    maps: dict[str, tuple[Array, Array, bool]]  # by kind: trained, random weights, signed
    alike: dict[str, float]  # rank correlation of the two
    sum: float  # of the integrated gradients
    change: float  # of the score, to which they should add up
    has_relu: bool


@dataclass(frozen=True)
class Move:
    """The smallest change found of one item into another cluster."""

    x: Array  # the changed item, as the network takes it
    new: int  # raw cluster
    distance: float
    steps: int


def explanation_of_item(view: View, index: int) -> None:
    """The explanation of one item, folded away until asked for."""
    with st.expander("Why this cluster?", icon=":material/psychology_alt:"):
        session.guarded(_item)(view, index)


def _item(view: View, index: int) -> None:
    run, status = view.run, view.run.status
    if not view.is_clustered[index]:
        st.caption("It is noise: it belongs to no cluster, so there is no score to explain.")
        return
    if run.spec.is_outside:
        st.caption(
            "This clustering was made elsewhere: what made it is not here, so it cannot be asked."
        )
        return
    if status in ACTIVE:
        st.caption("The network is still training: stop the run, or wait until it is done.")
        return
    last = len(run) - 1
    if status == "done" and view.step != last:
        _elsewhere(last, last)
        return
    asked = (run.id, view.step, index)
    if state.EXPLAINED.get() != asked:
        what = "pixels" if view.dataset.is_image else "features"
        st.caption(f"Ask the trained method which {what} matter, and what would change its mind.")
        st.button(
            "Explain",
            icon=":material/troubleshoot:",
            key="why-explain",
            on_click=_ask,
            args=(asked,),
        )
        return
    with st.spinner("Rebuilding the trained network and asking it ..."):
        scorer = _scorer(run)
    if scorer.step != view.step:
        _elsewhere(scorer.step, last)
        return
    _explain(view, index, scorer)


def _ask(asked: tuple[str, int, int]) -> None:
    state.EXPLAINED.set(asked)


def _elsewhere(step: int, last: int) -> None:
    """Say which step can be explained, and offer to go there."""
    st.caption(
        f"The run has kept the trained network of step {step} only, so this step cannot be "
        "explained."
    )
    st.button(
        "Go to the last step" if step == last else f"Go to step {step}",
        icon=":material/last_page:",
        key="why-go",
        on_click=session.set_step,
        args=(None if step == last else step,),
    )


# -- asking, and remembering the answers ---------------------------------------------------------
def _scorer(run: Run) -> "Scorer":
    with _one_at_a_time:
        return _loaded(run)


def _kept_at(run: Run) -> int:
    """When the trained parts of a run were kept last, in nanoseconds; 0 if they never were."""
    file = run.path / "checkpoint.pt"
    return file.stat().st_mtime_ns if file.is_file() else 0


def can_ask(view: View) -> bool:
    """Whether the method of a run can say how it scores an item, and the run has kept this step."""
    run = view.run
    if run.spec.is_outside or run.status != "done" or view.step != len(run) - 1:
        return False
    return registry.SCORING.is_offered_by(registry.method(run.spec.method))


def answers(run: Run, step: int, points: Array) -> Array | None:
    """Raw cluster (m,) of each of some points (m, d) by the scores of a step, if it was kept."""
    from clustlab.explaining.scorers import answered

    try:
        with st.spinner("Rebuilding what the method has learned and asking it ..."):
            scorer = _scorer(run)
    except ClustlabError:
        return None
    return answered(scorer, session.items(run), points) if scorer.step == step else None


@session.kept_per_run(maxsize=2, anew=_kept_at)
def _loaded(run: Run) -> "Scorer":
    from clustlab.explaining.scorers import load_scorer

    return load_scorer(RunStore(run.path.parent), run)


@lru_cache(maxsize=2)
def _random(scorer: "Scorer") -> Any:
    from clustlab.explaining.saliency import randomised

    return randomised(scorer.module, SEED)


@lru_cache(maxsize=32)
def _explained(scorer: "Scorer", index: int, cluster: int) -> Explanation:
    from torch import nn, no_grad

    from clustlab.explaining import saliency as maker

    x = scorer.item(index)
    with no_grad():
        best = int(scorer.module(x).argmax())
    wanted = best if cluster == ANY else cluster
    maps_by_kind: dict[str, tuple[Array, Array, bool]] = {}
    alike: dict[str, float] = {}
    for kind in maker.KINDS:
        pair = [maker.saliency(m, x, wanted, kind) for m in (scorer.module, _random(scorer))]
        signed = maker.is_signed(kind, x.shape[1] if x.ndim == 4 else 1)
        maps_by_kind[kind] = (pair[0], pair[1], signed)
        alike[kind] = maker.similarity(pair[0], pair[1])
    integrated = maps_by_kind["integrated-gradients"][0]
    total, change = maker.completeness(scorer.module, x, wanted, integrated)
    has_relu = any(isinstance(m, nn.ReLU) for m in scorer.module.modules())
    return Explanation(x[0].cpu().numpy(), best, maps_by_kind, alike, total, change, has_relu)


@lru_cache(maxsize=64)
def _moved(scorer: "Scorer", index: int, cluster: int, target: int, beyond: int) -> Move:
    from clustlab.explaining.counterfactual import counterfactual

    smallest_change = counterfactual(
        scorer.module,
        scorer.item(index),
        cluster,
        None if target == ANY else target,
        limits=(0.0, 1.0) if scorer.inputs.is_image else None,
        beyond=None if beyond < 0 else scorer.item(beyond),
    )
    return Move(
        smallest_change.changed[0].cpu().numpy(),
        smallest_change.new_cluster,
        smallest_change.distance,
        smallest_change.steps,
    )


# -- drawing -------------------------------------------------------------------------------------
def _explain(view: View, index: int, scorer: "Scorer") -> None:
    mapping = view.timeline.mapping(view.step)
    names = {int(stable): raw for raw, stable in enumerate(mapping)}
    own = int(view.clusters[index])
    wanted = st.selectbox(
        "Explain the score of cluster", sorted(names), sorted(names).index(own), key="why-cluster"
    )
    with st.spinner("Drawing maps ..."):
        explanation = _explained(scorer, index, names[wanted])
    _maps(view, index, explanation)
    _trust(explanation, scorer)
    if names[own] != explanation.best:
        st.caption(
            "Asked about this item alone, the rebuilt network puts it into cluster "
            f"{int(mapping[explanation.best])}: during training the answer also depended on the "
            "other items of the batch."
        )
    _counterfactual(view, index, scorer, explanation, names)


def _maps(view: View, index: int, explanation: Explanation) -> None:
    if not view.dataset.is_image:
        table = pd.DataFrame({_column_title(view): _coordinates(view)})
        for kind, (trained, random, _) in explanation.maps.items():
            table[TITLES[kind]] = trained
            table[f"{TITLES[kind]}, random weights"] = random
        st.dataframe(table, hide_index=True, alt=f"What the score of item {index} depends on")
        return
    columns = [(TITLES[kind], *drawn) for kind, drawn in explanation.maps.items()]
    picture = maps.saliency(np.asarray(view.dataset.items[index]), columns)
    alt = f"Item {index} with three maps of what the score depends on, trained and at random"
    st.image(picture, output_format="PNG", alt=alt)
    panels.guide(maps.saliency)


def _trust(explanation: Explanation, scorer: "Scorer") -> None:
    """How far the maps can be believed, in numbers."""
    origin = "black to this image" if scorer.inputs.is_image else "the middle to this point"
    alike = ", ".join(f"{TITLES[k]} {figure(v, 2)}" for k, v in explanation.alike.items() if v == v)
    st.caption(
        f"Similarity to the map of random weights, from -1 to 1: {alike or 'undefined'}. Near 1 a "
        "map shows the image, not what was learned."
    )
    st.caption(
        f"The integrated gradients add up to {figure(explanation.sum, high=math.inf)}; from "
        f"{origin} the score changes by {figure(explanation.change, high=math.inf)}."
    )
    if not explanation.has_relu:
        st.caption("This method has no network, so guided backpropagation equals the gradient.")
    if scorer.agreement < 1:
        st.caption(
            "The rebuilt network agrees with the clusters of the step on "
            f"{percent(scorer.agreement)} of {scorer.n_checked:,} items."
        )


def _counterfactual(
    view: View, index: int, scorer: "Scorer", explanation: Explanation, names: dict[int, int]
) -> None:
    st.markdown("**The smallest change that moves it**")
    mapping = view.timeline.mapping(view.step)
    others = [stable for stable, raw in sorted(names.items()) if raw != explanation.best]
    target = st.selectbox(
        "Into cluster",
        [ANY, *others],
        format_func=lambda c: "the nearest other one" if c == ANY else str(c),
        key="why-target",
    )
    raw = ANY if target == ANY else names[target]
    try:
        with st.spinner("Looking for the smallest change ..."):
            move = _moved(scorer, index, explanation.best, raw, _nearest(view, index, raw))
    except ClustlabError:
        where = "anywhere else" if raw == ANY else f"into cluster {plain(target)}"
        limits = "Within the range of pixel values, no" if view.dataset.is_image else "No"
        st.info(f"{limits} change was found that moves it {where}.")
        return
    size = float(np.linalg.norm(explanation.x))
    new = int(mapping[move.new])
    if view.dataset.is_image:
        before, after = (x.transpose(1, 2, 0) for x in (explanation.x, move.x))
        alt = f"Item {index} before and after the smallest change into cluster {new}"
        st.image(maps.change(before, after), output_format="PNG", alt=alt)
        share = f"{percent(move.distance / size)} of the length of the image, " if size else ""
        distance = figure(move.distance, 2, high=math.inf)
        unit = f"**{plain(distance)}** ({share}whose pixels range from 0 to 1)"
    else:
        _coordinates_before_and_after(view, index, move)
        unit = f"**{move.distance:.3g}** in units of the spread of the points"
    st.markdown(f"Into cluster **{new}** at a distance of {unit}.")
    st.caption(
        f"Found in {plain(move.steps)} steps. There may be a smaller change that was not found."
    )
    if view.dataset.is_image:
        panels.guide(maps.change)


def _nearest(view: View, index: int, raw: int) -> int:
    """The nearest item of a cluster in the embedding, where a search can start; -1 for none."""
    members = np.flatnonzero(view.snapshot.assignments == raw)
    if raw == ANY or not len(members):
        return -1
    gap = view.snapshot.embedding[members] - view.snapshot.embedding[index]
    return int(members[(gap * gap).sum(1).argmin()])


def _column_title(view: View) -> str:
    return "feature" if view.dataset.columns else "coordinate"


def _coordinates(view: View) -> list[str]:
    from clustlab.analysis.features import coordinates

    return list(view.dataset.columns or coordinates(view.dataset.items.shape[1]))


def _coordinates_before_and_after(view: View, index: int, move: Move) -> None:
    from clustlab.parts.inputs.network_input import point_scale

    mean, scale = point_scale(np.asarray(view.dataset.items))
    table = pd.DataFrame(
        {
            _column_title(view): _coordinates(view),
            "before": view.dataset.items[index],
            "after": move.x * scale + mean[0],
        }
    )
    st.dataframe(table, hide_index=True, alt=f"Item {index} before and after the change")
