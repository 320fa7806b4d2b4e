"""Before a run starts: what its network looks like, and what it will be shown."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab import registry
from clustlab.errors import ClustlabError
from clustlab.params import build
from clustlab.registry import Method
from clustlab.types import Array, Dataset
from clustlab.ui import method_text, nav, session, state
from clustlab.ui.markdown import Markdown, authored
from clustlab.views import sheets, theme

COLUMNS, ROWS, TILE = 12, 5, 44  # items, changed copies of each, side of a tile


def preview_of_method(
    method: type[Method], params: Mapping[str, Any], data: Dataset | None
) -> None:
    """Sections that fit the method: those without copies or network have none.

    Raises
    ------
    ParameterError
        If a parameter is not valid.
    """
    if data is None:
        return
    built: Any = build(method, params)
    try:
        if registry.AUGMENTING.is_offered_by(method) and data.is_image:
            items = data.items
            _folded(
                "Changed copies that it will train on", "texture", lambda: _copies(built, items)
            )
        if registry.NETWORKED.is_offered_by(method):
            shape = data.items.shape[1:]
            _folded("Its network, layer by layer", "lan", lambda: _network(built, shape))
    except ClustlabError as error:
        session.show_error(error)


def what_to_expect(method: type[Method]) -> None:
    """What to watch once it runs, and where it fails, in the words of the method."""
    for heading in ("What to watch", "Where it fails"):
        if text := method_text.section_of(method, heading):
            st.markdown(f"**{heading}**")
            st.markdown(authored(text))


def _folded(title: Markdown, icon: str, body: Callable[[], None]) -> None:
    """Section that is computed when it is opened."""
    section = st.expander(title, icon=f":material/{icon}:", key=f"fold-{icon}", on_change="rerun")
    if section.open:
        with section:
            body()


def _copies(method: Any, items: Array) -> None:
    """Items in the first row, what changes make of them below."""
    draws = state.COPIES_DRAWN.get()
    pictures = changed_copies(method, items[theme.thin(len(items), limit=COLUMNS)], draws)
    if pictures is None:
        st.caption("Copies are not changed: all switches are off, or the strength is 0.")
        return
    rows, columns = pictures.shape[:2]
    flat = pictures.reshape(rows * columns, *pictures.shape[2:])
    sheet = sheets.atlas(flat, np.arange(len(flat)), tile=TILE, columns=columns)
    st.image(
        sheets.png(sheet.pixels),
        alt=f"{columns} items in the first row, {rows - 1} changed copies of each below",
    )
    sobel = getattr(method, "sobel", False)
    edges = " The network sees the edges of these (Sobel)." if sobel else ""
    term = nav.term_link("Augmentation")
    st.caption(
        f"First row: items as they are. Below: copies, changed anew in every pass ({term}).{edges}"
    )
    st.button(
        "Draw other copies",
        icon=":material/refresh:",
        on_click=state.COPIES_DRAWN.set,
        args=(draws + 1,),
    )


def changed_copies(method: Any, items: Array, draws: int) -> Array | None:
    """Items and copies of them, (rows, n, h, w, c) uint8; None if copies are not changed."""
    import torch

    from clustlab.parts.inputs.augmentation import side_by_side
    from clustlab.parts.inputs.network_input import Inputs

    x = Inputs(items, torch.device("cpu"))[np.arange(len(items))]
    generator = torch.Generator().manual_seed(draws)
    rows = [side_by_side(x, method.augmentation(x, generator)) for _ in range(ROWS)]
    if all((one[0] == one[1]).all() for one in rows):
        return None
    return np.concatenate([rows[0], *(one[1:] for one in rows[1:])])


def _network(method: Any, shape: tuple[int, ...]) -> None:
    from clustlab.parts.networks.encoder import EncoderSettings

    table = layers(method, shape)
    total = int(table["weights"].sum())
    convolutions = int(table["layer"].str.startswith("convolution").sum())
    linear = int((table["layer"] == "linear").sum())
    parts = [
        f"{n} {name} layer{'s' if n > 1 else ''}"
        for n, name in ((convolutions, "convolutional"), (linear, "linear"))
        if n
    ]
    heads = ", without the heads on top" if isinstance(method, EncoderSettings) else ""
    st.markdown(f"**{total:,} weights** in {' and '.join(parts)}{heads}.")
    st.dataframe(table, hide_index=True, height=260, alt="Layers of the network")


def layers(method: Any, shape: tuple[int, ...]) -> pd.DataFrame:
    """Layers of a method's network for items of a shape (h, w, c) or (d,), part by part."""
    from clustlab.parts.networks import backbones
    from clustlab.parts.networks.cost import blank

    rows = backbones.layers(*blank(method.build_network, shape))
    table = pd.DataFrame(rows, columns=["part", "layer", "output", "weights"])
    return table if len(set(table["part"])) > 1 else table.drop(columns="part")
