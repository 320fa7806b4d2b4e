"""Features of a trained network from the images of a data set, computed in the background."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from clustlab.data.free_titles import free_title
from clustlab.data.scratch import scratch
from clustlab.device import NAMES
from clustlab.importing import features, job
from clustlab.importing.features import Extraction
from clustlab.importing.plan import Outcome, Watch
from clustlab.registry import DatasetSpec
from clustlab.ui import session
from clustlab.ui.markdown import plain

USUAL = "resnet18"
_FROM = {"torchvision": "Downloaded by torchvision", "file": "From a file"}


def features_panel(spec: type[DatasetSpec]) -> None:
    """Button for a dialog that asks which layer of which network is to be taken, and starts it."""
    if st.button("Features of a network", icon=":material/neurology:", key="features-open"):
        st.dialog("Features of a network")(session.guarded(_panel))(spec)


def _panel(spec: type[DatasetSpec]) -> None:
    st.markdown(
        "A trained network reads every image once. What it has in one of its layers becomes a new "
        "data set of vectors beside these images, for methods that take vectors."
    )
    known = features.networks()
    network = st.selectbox(
        "Network", known, known.index(USUAL) if USUAL in known else 0, key="features-network"
    )
    way = st.segmented_control(
        "Weights",
        list(_FROM),
        default="torchvision",
        required=True,
        format_func=_FROM.__getitem__,
        key="features-weights",
        help="Those of torchvision were trained on ImageNet; they are fetched once.",
    )
    weights: Any = None
    if way == "file":
        weights = st.file_uploader(
            "File of weights",
            key="features-file",
            help="Of safetensors, or the state_dict of this network as torch.save keeps it. "
            "Nothing in it is carried out.",
        )
    layer = st.text_input(
        "Layer",
        placeholder="what goes into the last layer",
        key="features-layer",
        help="Name of a module, such as layer3. Maps become their means over all places.",
    )
    device = st.selectbox("Device", NAMES, key="features-device")
    title = st.text_input(
        "Name of the new data set",
        free_title(", ".join(filter(None, (spec.title, network, layer)))),
        max_chars=100,
        key=f"features-title-{spec.name}-{network}-{layer}",
    )
    now = job.current()
    is_busy = now is not None and now.status == "running"
    lacks = way == "file" and weights is None
    how = Extraction(network, layer.strip(), device=device)
    content = None if weights is None else (str(weights.name), weights.getvalue())
    if st.button(
        "Compute features",
        type="primary",
        icon=":material/play_arrow:",
        disabled=is_busy or lacks,
        help="Another import is under way." if is_busy else None,
    ):
        job.start(title, _work(spec, how, title, content))
        st.rerun()  # which closes the dialog
    if lacks:
        st.caption(f"Choose a file with the weights of {plain(network)}.")


def _work(
    spec: type[DatasetSpec], how: Extraction, title: str, content: tuple[str, bytes] | None
) -> Callable[[Watch], Outcome]:
    """What is to be done in the background; weights that were uploaded lie in a file meanwhile."""

    def work(watch: Watch) -> Outcome:
        if content is None:
            return features.bring_in(spec.name, how, title, {}, watch)
        name, held = content
        with scratch() as folder:
            place = folder / (Path(name).name or "weights")
            place.write_bytes(held)
            return features.bring_in(spec.name, replace(how, weights=place), title, {}, watch)

    return work
