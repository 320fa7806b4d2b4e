"""How much room there is in the browser for charts that cannot adapt by themselves."""

import streamlit as st

from clustlab.ui import state
from clustlab.ui.state import SessionValue

STEP = 20  # pixels; smaller changes are not worth drawing anew

_HTML = '<div id="room"></div>'

_CSS = "#room { width: 100%; height: 1px; }"

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const room = parentElement.querySelector("#room");
  room.clustlabObserver?.disconnect();
  let due;
  const tell = () => {
    const width = room.clientWidth;
    if (!width) return;
    const now = width < data.enough ? Math.floor(width / data.step) * data.step : data.enough;
    if (now !== data.known) setTriggerValue("measured", now);
  };
  const soon = () => { clearTimeout(due); due = setTimeout(tell, 150); };  // not at every pixel
  const observer = room.clustlabObserver = new ResizeObserver(soon);
  observer.observe(room);
  return () => { clearTimeout(due); observer.disconnect(); };
}
"""

_component = st.components.v2.component("clustlab_room", html=_HTML, css=_CSS, js=_JS)


def width(key: str, enough: int) -> int:
    """Pixels across that there are in this place, at most `enough`.

    So many it is until the browser has said that there are fewer; then all is drawn anew.
    """
    fits = SessionValue(f"{key}-known", enough)

    def measured() -> None:
        value = state.widget(key).get().measured
        if value is not None:
            fits.set(int(value))

    _component(
        key=key,
        data={"enough": enough, "known": fits.get(), "step": STEP},
        on_measured_change=measured,
    )
    return fits.get()
