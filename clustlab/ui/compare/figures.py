"""Body of the page Figures: the table of the benchmark, and its seeds as dots."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from clustlab import registry
from clustlab.analysis.score_catalogue import LABELLED, SCORES
from clustlab.analysis.shares import in_table
from clustlab.benchmark import table
from clustlab.benchmark.table import Summary
from clustlab.runs import titles
from clustlab.ui import nav, session
from clustlab.ui.look import exports
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import panels
from clustlab.views import scores

COLUMNS = {
    "Method": st.column_config.TextColumn(width=190, pinned=True),
    **{
        score.short: st.column_config.NumberColumn(
            format="%.3f", help=nav.with_terms(plain(score.meaning), *score.terms)
        )
        for score in (SCORES[key] for key in (*LABELLED, "share_clustered"))
    },
    "±": st.column_config.NumberColumn(format="%.3f", help="Standard deviation over the seeds"),
    "Least": st.column_config.NumberColumn(format="%.3f"),
    "Most": st.column_config.NumberColumn(format="%.3f"),
    "kNN probe": st.column_config.NumberColumn(format="%.3f"),
    "Seconds": st.column_config.NumberColumn(format="%.0f"),
    "Peak MB": st.column_config.NumberColumn(format="%.0f"),
    "Published ACC": st.column_config.TextColumn(width="large"),
}
IN_UNITS = ("seconds", "peak_mb")  # all other figures are shares and scores


def figures_page() -> None:
    """What was measured with this project, and what this machine has measured itself."""
    st.title("Figures", anchor=False)
    st.markdown(
        "Methods on the same images, settings equal for all seeds, no label seen in training. "
        "Published figures stand beside them with what they were measured on."
    )
    own = session.store().root / "benchmark.csv"
    files = {"Shipped with clustlab": table.SHIPPED}
    if own.is_file():
        files["Measured here"] = own
    panels.tabs({plain(title): partial(_table, file) for title, file in files.items()})
    if not own.is_file():
        st.markdown("Measure your own; it goes on where it stood, and is shown here:")
        st.code("python -m clustlab benchmark --datasets digits --preset quick", language=None)


def _table(file: Path) -> None:
    rows = table.summaries(table.read(file))
    if not rows:
        st.info("The table has no line yet.")
        return
    known = sorted({(s.dataset, s.data) for s in rows})
    st.dataframe(
        pd.DataFrame([_row_of_method(s) for s in rows]).dropna(axis=1, how="all"),
        hide_index=True,
        column_config=COLUMNS,
        placeholder="",  # of what was not measured
        alt="Figures of all methods, one line a method and data set",
    )
    exports.table_buttons(lambda: table.lines(table.read(file)), file.stem)
    chosen = st.selectbox(
        "Data", known, format_func=lambda k: plain(_data_words(*k)), key="figures-data"
    )
    mine = [s for s in rows if (s.dataset, s.data) == chosen and s.figures["acc"]]
    panels.chart(scores.seeds, _dots(mine), _marks(mine), key="figures-seeds")


def _row_of_method(s: Summary) -> dict[str, Any]:
    acc = pd.Series(s.figures["acc"], dtype=float)
    means: dict[str, float | None] = {
        name: pd.Series(s.figures[name], dtype=float).mean() for name in table.HEADINGS
    }
    means |= {name: in_table(mean) for name, mean in means.items() if name not in IN_UNITS}
    return {
        "Method": _title(s),
        "Data": f"{_data_words(s.dataset, '')}, {s.protocol}",
        "Preset": s.preset,
        "Version": s.version or None,
        "Device": s.device or None,
        "Seeds": len(s.seeds),
        SCORES["acc"].short: in_table(acc.mean()),
        "±": acc.std(),
        "Least": in_table(acc.min()),
        "Most": in_table(acc.max()),
        **{table.HEADINGS[name]: mean for name, mean in means.items()},
        "Published ACC": "; ".join(r.words for r in s.reported),
    }


def _title(s: Summary) -> str:
    """Name of the method, with what was not as in its preset `standard`."""
    known = registry.methods().get(s.method)
    return ", ".join(filter(None, (known.title if known else s.method, _in_words(s.unusual))))


def _data_words(name: str, settings: str) -> str:
    """A data set by its title, with the settings that were changed."""
    known = registry.datasets().get(name)
    return ", ".join(filter(None, (known.title if known else name, _in_words(settings))))


def _in_words(settings: str) -> str:
    """Settings as the table of figures has them, such as "n_samples=10000", in words."""
    return ", ".join(_setting_words(*part.partition("=")) for part in settings.split())


def _setting_words(name: str, sign: str, value: str) -> str:
    if not sign:  # a preset
        return name
    return titles.setting_words(
        name, {"all": None}.get(value, int(value) if value.isdecimal() else value)
    )


def _dots(rows: Sequence[Summary]) -> pd.DataFrame:
    """One line a seed: method, device and accuracy."""
    lines = [(_title(s), s.device or "not noted", acc) for s in rows for acc in s.figures["acc"]]
    return pd.DataFrame(lines, columns=["method", "device", "acc"])


def _marks(rows: Sequence[Summary]) -> pd.DataFrame:
    """One line a published figure: method, accuracy and its words."""
    lines = [(_title(s), r.acc, r.words) for s in rows for r in s.reported]
    return pd.DataFrame(lines, columns=["method", "acc", "words"])
