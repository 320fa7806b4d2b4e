"""Parts of a page that follow runs: each is redrawn when there is something new in it.

The page asks for news by plain HTTP (see `clustlab.ui.server.pulse`), which costs next to nothing,
at the pace that the server gives (see `clustlab.ui.pace`), and not at all while its tab is hidden.
Only while the news differ from what is drawn does it wake its session, which redraws those parts
that have changed and says so.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, ParamSpec
from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from clustlab.errors import RunNotFound
from clustlab.runs.store import Run
from clustlab.training import estimate
from clustlab.ui import session, state
from clustlab.ui.pace import pace
from clustlab.ui.shared import Shared

P = ParamSpec("P")
Facet = Literal["steps", "progress"]
"""What of a run a part shows: its steps and status, or also where it stands within a step."""

PULSE = "live-news"  # the part that asks for news
QUEUE = "*"  # in place of a run: all that train or wait
ROUTE = "/api/pulse"
QUEUE_FOR = 1.0  # seconds at least for which what was read of all runs serves all sessions

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.clustlabPulse?.();  // of the page before a rerun
  let patience = 0, timer, over = false;
  const look = async () => {
    clearTimeout(timer);
    if (over || document.hidden) return;
    let wait = 5;  // seconds, while the server does not answer
    try {
      const answer = await (await fetch(data.url, { cache: "no-store" })).json();
      if (over) return;
      wait = answer.next;
      if (answer.news === data.news) patience = 0;
      else if (patience) patience -= 1;
      else {
        setTriggerValue("news", answer.news);
        patience = 2;  // looks, then once more: a page that is being drawn may miss it
      }
    } catch {}
    clearTimeout(timer);
    timer = setTimeout(look, 1000 * wait * (0.85 + 0.3 * Math.random()));  // not all at once
  };
  const shown = () => { if (!document.hidden) look(); };
  document.addEventListener("visibilitychange", shown);
  timer = setTimeout(look, 1000 * data.first);
  return parentElement.clustlabPulse = () => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
"""

_component = st.components.v2.component("clustlab_pulse", html="<span></span>", js=_JS)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page, and the news that it was drawn with."""

    runs: tuple[str, ...]
    facet: Facet
    drawn: str


def part(
    key: str,
    draw: Callable[P, None],
    runs: Sequence[str],
    facet: Facet = "steps",
    *,
    run_every: float | None = None,
) -> Callable[P, None]:
    """A drawing that is repeated, and nothing else of the page, when runs have news.

    Parameters
    ----------
    key : str
        Name of the part on its page.
    draw : callable
        Draws it. Its errors are shown in its place.
    runs : sequence of str
        Ids of active runs, or `QUEUE`; none if nothing is to be followed.
    facet : Facet
        What counts as news.
    run_every : float, optional
        Seconds after which it is repeated in any case.
    """
    name = f"live-{key}"

    @functools.wraps(draw)
    def drawing(*args: P.args, **options: P.kwargs) -> None:
        if runs:
            followed = Part(tuple(runs), facet, news(runs, facet))
            state.FOLLOWED.set({**state.FOLLOWED.get(), name: followed})
        with pace.counted():
            draw(*args, **options)

    made: Callable[P, None] = st.fragment(session.guarded(drawing), run_every=run_every, key=name)
    return made


def begin() -> None:
    """Follow nothing: a page is about to be drawn."""
    state.FOLLOWED.set({})


def pulse(key: str = "") -> None:
    """Watch for news of all parts of the page, which has been drawn.

    `key` is what the server wants to see where a login is needed.
    """
    runs = sorted({run for followed in state.FOLLOWED.get().values() for run in followed.runs})
    if not runs:
        return
    asked = {"run": runs, "key": [key] if key else []}
    url = f"{ROUTE}?{urlencode(asked, doseq=True)}"
    with st.container(key="pulse"):
        st.fragment(_pulse, key=PULSE)(url, runs)


def _pulse(url: str, runs: Sequence[str]) -> None:
    first = pace.next_look(awaits_first_step=awaits_first_step(runs))
    data = {"url": url, "news": _news_drawn(runs), "first": first}
    _component(key="live-pulse", data=data, on_news_change=_redraw)


def _news_drawn(runs: Sequence[str]) -> str:
    """What the page was drawn with; empty if there were news since, so that it is drawn again."""
    now = news(runs, "progress")
    followed = state.FOLLOWED.get().values()
    is_late = any(news(each.runs, each.facet) != each.drawn for each in followed)
    return "" if is_late else now


def _redraw() -> None:
    """Redraw the parts that have news; without any, the fragment of the pulse alone is repeated."""
    followed = state.FOLLOWED.get()
    changed = [name for name, each in followed.items() if news(each.runs, each.facet) != each.drawn]
    if not changed:
        return
    try:
        st.rerun([*changed, PULSE])
    except StreamlitAPIException:  # one of them lies in a part that has not drawn it again
        st.rerun()


# -- what is new ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _State:
    n_steps: int
    steps: str  # changes with these facets
    progress: str


_states: Shared[_State] = Shared(64, lambda: pace.together)
_queues: Shared[_State] = Shared(4, lambda: max(pace.together, QUEUE_FOR))


def steps_shown(run: Run) -> int:
    """Number of steps of a run that pages show: all sessions the same, and nearly the newest."""
    return _state(run.id).n_steps


def news(runs: Sequence[str], facet: Facet) -> str:
    """State of runs in a word that changes when there is something new."""
    return " ".join(_news_of(run, facet) for run in runs)


def _news_of(run_id: str, facet: Facet) -> str:
    state = _state(run_id)
    return f"{run_id}:{state.steps if facet == 'steps' else state.progress}"


def _state(run_id: str) -> _State:
    root = session.store().root
    if run_id == QUEUE:
        return _queues.get(root, _state_of_queue)
    return _states.get((root, run_id), lambda: _state_of(run_id))


def _state_of(run_id: str) -> _State:
    try:
        run = session.open_run(run_id)
        progress = run.progress
        n_steps = len(run)
        steps = f"{n_steps},{progress['status']},{run.intention}"
    except RunNotFound:
        return _State(0, "gone", "gone")
    left = progress.get("eta") and estimate.duration_in_words(progress["eta"])
    where = (progress.get(name) for name in ("phase", "done", "total", "active"))
    words = [steps, *map(str, where), str(left)]
    if not n_steps:  # a bar stands where the first step will be
        words.append(f"{progress.get('fraction') or 0:.2f}")
    return _State(n_steps, steps, ",".join(words))


def _state_of_queue() -> _State:
    states = {run.id: _state_of(run.id) for run in session.active_runs()}
    steps = "&".join(f"{run}={state.steps}" for run, state in states.items())
    progress = "&".join(f"{run}={state.progress}" for run, state in states.items())
    return _State(sum(state.n_steps for state in states.values()), steps, progress)


def awaits_first_step(runs: Sequence[str]) -> bool:
    """Whether any of these runs has no step yet and is not waiting for others."""
    return any(_news_of(run, "steps").split(":")[-1].startswith("0,running") for run in runs)
