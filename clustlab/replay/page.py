"""One HTML file that replays a run, or two side by side, without a server or the internet.

Scripts, styles, figures and images are all in it, and its content policy lets it load nothing else
and run no other script. What users have named is data in it, never markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

import clustlab
from clustlab.analysis import agreement, comparison, shared_items
from clustlab.analysis.score_catalogue import SCORES, labelled_scores
from clustlab.analysis.timeline import Timeline
from clustlab.data.item_names import names_at
from clustlab.errors import ParameterError, RunNotFound
from clustlab.replay import about, html
from clustlab.replay.packing import packed
from clustlab.replay.pairing import pairing
from clustlab.replay.pictures import Atlas, atlas
from clustlab.replay.recording import CommonTimeline, Recording, Source, recording
from clustlab.runs import titles
from clustlab.runs.store import Run, RunStore
from clustlab.types import Array, Report
from clustlab.views import theme

MOST_RUNS = 2
FEWEST_STEPS, MOST_STEPS = 2, 1000
FEWEST_ITEMS, MOST_ITEMS = 1, 65_000  # ranks and numbers of items have 16 bits
MOST_PLACES = 10_000_000  # items times steps of a page: some 80 MB, which browsers still open
SCRIPTS = (  # each after those that it imports
    *("data.js", "raster.js", "strokes.js", "finding.js", "map.js", "drawing.js", "sheets.js"),
    *("tables.js", "curves.js", "panels.js", "parts.js", "pair.js", "replay.js"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a long run over many items a page holds.

    Raises
    ------
    ParameterError
        If a limit is out of range.
    """

    steps: int = 60  # spread evenly, with the first and the last one
    items: int = 10_000  # drawn by a fixed seed; figures count all of them

    def __post_init__(self) -> None:
        for name, low, high in (
            ("steps", FEWEST_STEPS, MOST_STEPS),
            ("items", FEWEST_ITEMS, MOST_ITEMS),
        ):
            if not low <= (value := getattr(self, name)) <= high:
                raise ParameterError(
                    f"A page of {value:,} {name} cannot be made.",
                    f"Choose a number of {name} from {low:,} to {high:,}.",
                )


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is ready to be written, and what was left out of it."""

    html: bytes
    title: str
    n_steps: int
    n_items: int = 0  # those of a lesson are in its runs
    notes: tuple[str, ...] = ()


def page(
    store: RunStore, run_ids: Sequence[str], limits: Limits, report: Report = lambda *_: None
) -> Page:
    """Page of one run, or of two over the items that they share.

    Raises
    ------
    RunNotFound
        If a run, its items, or each of its steps cannot be read.
    ParameterError
        If there are more than two runs, or they share no items.
    """
    if not 1 <= len(run_ids) <= MOST_RUNS:
        raise ParameterError(
            f"A page replays one run or two, got {len(run_ids)}.",
            "Name one run, or two over the same items.",
        )
    runs = [store.run(run_id) for run_id in run_ids]
    for run in runs:
        if not len(run):
            raise RunNotFound(
                f"The run {run.id!r} has no step yet (it is {run.status}).",
                "Wait for its first step, or resume it.",
            )
    if len(runs) > 1:
        comparison.check(store, runs)
    sources, compared_over = _sources(store, runs, limits, report)
    return _page(store, sources, compared_over, limits, report)


def _sources(
    store: RunStore, runs: Sequence[Run], limits: Limits, report: Report
) -> tuple[list[Source], str]:
    """Each run with the items that the page is about, and how many these are in words."""
    if len(runs) > 1:
        shared = shared_items.shared_items(store, runs)
        rows, words = list(shared.rows), shared.in_words
    else:
        n = len(store.dataset(runs[0]).items)
        rows, words = [np.arange(n)], f"{n:,} items"
    few = theme.thin(len(rows[0]), limit=limits.items)
    called = titles.titles(runs)
    sources = []
    for i, run in enumerate(runs):
        dataset = store.dataset(run)
        timeline = Timeline(run, dataset.labels, n_classes=len(dataset.class_names))
        start, part = 0.6 * i / len(runs), 0.6 / len(runs)

        def reading(words: str, share: float, start: float = start, part: float = part) -> None:
            report(words, start + part * share)

        timeline.extend(report=reading)
        sources.append(Source(run, dataset, timeline, called[i], rows[i], rows[i][few]))
    if len(sources) > 1:
        sources = _under_common_numbers(sources)
    return sources, words


def _under_common_numbers(sources: Sequence[Source]) -> list[Source]:
    """Sources whose clusters are matched at the last step of each; the first keeps its numbers."""
    last = [s.timeline.stable(len(s.timeline) - 1)[s.rows] for s in sources]
    maps = agreement.alignments(last, [s.timeline.n_ids() for s in sources])
    return [
        replace(source, timeline=CommonTimeline(source.timeline, ids))
        for source, ids in zip(sources, maps, strict=True)
    ]


def kept_steps(timelines: Sequence[Timeline], most: int) -> tuple[list[list[int]], list[int]]:
    """Steps of each run that a page has, and those that it goes through, rising.

    Steps that cannot be read or were thinned are left out. Of the others at most `most`, spread
    evenly, and the first and last of each run.

    Raises
    ------
    RunNotFound
        If no step of a run can be read.
    """
    there = [timeline.whole() for timeline in timelines]
    if not all(there):
        raise RunNotFound("No step of this run can be read.", "Resume it: it is computed again.")
    longest = max(there, key=len)
    places = np.linspace(0, len(longest) - 1, min(most, len(longest))).round().astype(int)
    wanted = {longest[place] for place in places.tolist()}
    kept = [sorted((wanted & set(own)) | {own[0], own[-1]}) for own in there]
    return kept, sorted(set().union(*kept))


# -- putting it together -----------------------------------------------------------------------
def _page(
    store: RunStore, sources: Sequence[Source], over: str, limits: Limits, report: Report
) -> Page:
    steps, frames = kept_steps([s.timeline for s in sources], limits.steps)
    n_items = len(sources[0].shown)
    if (places := n_items * sum(map(len, steps))) > MOST_PLACES:
        raise ParameterError(
            f"{n_items:,} items at {sum(map(len, steps)):,} steps are {places:,} places, more than "
            f"the {MOST_PLACES:,} that a page can hold.",
            "Choose fewer steps or items.",
        )
    n_ids = max(s.timeline.n_ids() for s in sources)
    recordings = []
    for i, (source, own) in enumerate(zip(sources, steps, strict=True)):
        start, part = 0.6 + 0.25 * i / len(sources), 0.25 / len(sources)

        def telling(words: str, share: float, start: float = start, part: float = part) -> None:
            report(words, start + part * share)

        recordings.append(recording(source, own, n_ids, telling))
    report("Drawing the images", 0.85)
    first = sources[0]
    tiles = atlas(first.dataset.pictures, first.shown)
    notes = _notes(sources, steps)
    facts = {
        "clustlab": clustlab.__version__,
        "title": " and ".join(s.title for s in sources),
        "compared_over": over,
        "frames": frames,
        "n_items": len(first.rows),
        "notes": notes,
        **_of_items(first, n_ids),
        "score_words": {key: _score_words(key) for key in SCORES},
        "leading": list(
            labelled_scores(is_over_clustered=any(s.timeline.is_over_clustered() for s in sources))
        ),
        "readings": about.readings(),
        "colourings": about.colourings(with_classes=first.labels is not None),
        "atlas": tiles.facts,
        "runs": [
            {**r.facts, "about": about.about(store, s.run, s.dataset)}
            for s, r in zip(sources, recordings, strict=True)
        ],
        "differing": about.differing([s.run for s in sources]),
    }
    packs: dict[str, bytes] = {}
    for i, each in enumerate(recordings):
        facts["runs"][i]["arrays"] = _pack(packs, f"run-{i}", each)
    shared = {"item": first.shown.astype(np.uint32), **_labels(first)}
    packs["items"], facts["arrays"] = packed(shared)
    if len(sources) > 1:
        found = pairing(sources, steps, frames)
        packs["pair"], facts["pair"] = packed(found.arrays)
        facts["agreement"] = found.agreement
    report("Writing the page", 0.95)
    file = assembled(facts, packs, tiles)
    report("Writing the page", 1.0)
    return Page(file, str(facts["title"]), len(frames), len(first.shown), tuple(notes))


def _pack(packs: dict[str, bytes], name: str, each: Recording) -> list[dict[str, Any]]:
    packs[name], contents = packed(each.arrays)
    return contents


def _labels(source: Source) -> dict[str, Array]:
    """Class of each item on the page, 65535 where unknown; nothing without labels."""
    if source.labels is None:
        return {}
    known = np.asarray(source.labels)[source.shown]
    return {"label": np.where(known < 0, 65535, known).astype(np.uint16)}


def _of_items(source: Source, n_ids: int) -> dict[str, Any]:
    """What the items are, and in which colours clusters and classes are drawn."""
    dataset, n_classes = source.dataset, source.timeline.n_classes
    names = names_at(dataset.item_names, source.shown) if len(dataset.item_names) else []
    return {
        "dataset": source.run.manifest["dataset_title"],
        "protocol": dataset.protocol,
        "noun": dataset.noun,
        "has_images": dataset.images is not None,
        "names": list(names),
        "class_names": theme.names(n_classes, dataset.class_names),
        "n_ids": n_ids,
        "colours": [theme.colour(i) for i in range(n_ids)],
        "class_colours": [theme.class_colour(i) for i in range(n_classes)],
        "right": theme.RIGHT,
        "wrong": theme.WRONG,
        "grey": theme.GREY,
        "ramp": list(theme.RAMP),
    }


def _score_words(key: str) -> dict[str, Any]:
    score = SCORES[key]
    return {
        "title": score.title,
        "short": score.short,
        "meaning": score.meaning,
        "is_count": score.is_count,
    }


def _notes(sources: Sequence[Source], steps: Sequence[Sequence[int]]) -> list[str]:
    """What is not on the page, in sentences."""
    notes = []
    first = sources[0]
    noun = first.dataset.noun
    if len(first.shown) < len(first.rows):
        notes.append(
            f"{len(first.shown):,} of {len(first.rows):,} {noun}s are shown, drawn by a fixed "
            f"seed. Scores, matrices and sizes count all of them."
        )
    for source, own in zip(sources, steps, strict=True):
        which = f" of {source.title}" if len(sources) > 1 else ""
        n = len(source.timeline)
        missing = source.timeline.missing()
        if len(own) < n - len(missing):
            notes.append(
                f"{len(own):,} of {n:,} steps{which} are shown; curves have all of them, and "
                "shifts are from the step shown before."
            )
        if missing:
            few = ", ".join(map(str, missing[:5])) + (" and others" if len(missing) > 5 else "")
            notes.append(f"Steps{which} that cannot be read are left out: {few}.")
        if not source.has_all:
            notes.append(
                f"{source.title} has {len(source.dataset.items):,} {noun}s, of which "
                f"{len(source.rows):,} are compared. Only the sentences on its steps count all."
            )
    return notes


# -- HTML --------------------------------------------------------------------------------------
def script() -> str:
    """What a page runs: all its scripts in one."""
    return html.joined(SCRIPTS)


def assembled(facts: dict[str, Any], packs: dict[str, bytes], tiles: Atlas) -> bytes:
    """The file: everything in one, and nothing that it could load from elsewhere."""
    style = html.asset("replay.css")
    data = {f"pack-{name}": blob for name, blob in {**packs, "atlas": tiles.webp}.items()}
    return html.filled(
        "replay.html",
        POLICY=html.policy([script()], [style]),
        TITLE=escape(str(facts["title"])),
        STYLE=style,
        FACTS=html.in_script(facts),
        PACKS="\n".join(html.in_element(name, blob) for name, blob in data.items()),
        SCRIPT=script(),
    )
