"""Times taken within a page, so that the bench itself costs nothing.

From the key or the button of the mouse to the moment at which what was asked for stands there,
nothing is dimmed, and the browser has no drawing left.
"""

CLOCK = """() => {
  let start = 0;
  const begin = () => { start = performance.now(); };
  for (const kind of ["keydown", "pointerup"]) document.addEventListener(kind, begin, true);
  window.watch = (there) => {
    window.taken = null;
    start = 0;
    const look = () => {
      const busy = !start || !there() || document.querySelector("[data-stale=true]");
      if (busy) requestAnimationFrame(look);
      else requestAnimationFrame(() => requestIdleCallback(() => {
        window.taken = performance.now() - start;
      }));
    };
    requestAnimationFrame(look);
  };
}"""


def install(page) -> None:
    """Put the clock into a page that is open."""
    page.evaluate(CLOCK)


def seconds(page, action, there: str) -> float:
    """Seconds from the key or click of an action until a JavaScript condition holds."""
    page.evaluate(f"() => window.watch(() => {there})")
    action()
    page.wait_for_function("window.taken !== null", polling=50)
    taken = page.evaluate("window.taken") / 1000
    page.wait_for_timeout(400)
    return float(taken)


def summary(times: list[float], what: str = "ms") -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    return {
        f"{what} (median)": round(1000 * ordered[len(ordered) // 2]),
        f"{what} (p95)": round(1000 * ordered[int(0.95 * (len(ordered) - 1))]),
    }
