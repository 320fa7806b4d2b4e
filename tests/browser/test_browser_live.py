"""A page that follows a run, in a real browser: it shows new steps, and rests while hidden."""

import re

import pytest

from clustlab.ui.widgets import live
from tests.support.browser import step_now, until
from tests.ui.test_live import add_step, begun

pytestmark = pytest.mark.browser

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_new_steps_appear_by_themselves_unless_the_tab_is_hidden(store, address, page):
    run, writer = begun(store, n_steps=2)
    asked = []
    page.on("request", lambda request: "/api/pulse" in request.url and asked.append(request.url))
    page.goto(f"{address}/embedding?run={run.id}")
    page.get_by_text(re.compile("^Step 1 of 1")).wait_for()
    add_step(writer)
    page.get_by_text(re.compile("^Step 2 of 2")).wait_for()

    page.evaluate(HIDE, True)
    page.wait_for_timeout(1500)  # what was asked before has come back
    before = len(asked)
    add_step(writer)
    page.wait_for_timeout(3000)
    assert len(asked) == before
    assert step_now(page) == 2

    page.evaluate(HIDE, False)
    page.get_by_text(re.compile("^Step 3 of 3")).wait_for()
    writer.finish("done")
    page.get_by_role("button", name="Change and run again").wait_for()
    page.wait_for_timeout(1500)
    ended = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == ended  # nothing is followed any more
    assert until(page, lambda: page.locator(".st-key-pulse").count() == 0)


TELL = """async source => {
  const module = await import("data:text/javascript," + encodeURIComponent(source));
  const told = [];
  let looks = 0;
  const news = () => ({ news: ++looks < 3 ? "a" : "b", next: 0.02 });
  window.fetch = async () => ({ json: async () => news() });
  const parent = document.createElement("div");
  const draw = drawn => module.default({
    data: { url: "/", news: drawn, first: 0.01 },
    parentElement: parent,
    setTriggerValue: (name, value) => told.push([name, value]),
  });
  const rest = () => new Promise(done => setTimeout(done, 600));
  draw("a");
  await rest();
  const unheard = told.length;
  draw("b");
  await rest();
  return [told[0], unheard, told.length - unheard];
}"""


def test_a_page_goes_on_waking_its_session_until_the_news_are_drawn(page):
    first, unheard, after = page.evaluate(TELL, live._JS)
    assert first == ["news", "b"]
    assert unheard > 2  # the page that was being drawn has heard none of them
    assert after == 0
