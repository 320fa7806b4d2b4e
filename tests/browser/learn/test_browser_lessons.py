"""The lesson on DEC in a real browser, walked from end to end as a learner would."""

import re

import pytest
from playwright.sync_api import expect

from clustlab.course import catalogue
from clustlab.course.on_digits import quick_run
from clustlab.runs.identity import comes_from
from tests.support.browser import TRAINING, fits, formulas_fit, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
LESSON = catalogue.lesson("dec")


def predict(page, option):
    page.locator(".st-key-lesson-try").get_by_role("button", name=option, exact=True).click()
    page.get_by_role("button", name="Predict again").wait_for()
    settle(page)


def verdict(page):
    return page.locator(".st-key-lesson-try").get_by_test_id("stAlert").inner_text()


def onward(page, number):
    settle(page)  # a button that moves while it is clicked is missed
    page.get_by_role("button", name="Next", exact=True).click()
    see(page, rf"^{number}\. {re.escape(LESSON.steps[number - 1].title)}")
    settle(page)
    fits(page)
    formulas_fit(page)


def test_walk_through_the_lesson_on_dec(store, address, page):
    page.goto(f"{address}/learn")
    see(page, "^3. DEC")
    page.get_by_role("button", name=f"Begin · {len(LESSON.steps)} steps").first.click()
    see(page, r"^1\. From a distance to a share")
    settle(page)
    fits(page)
    formulas_fit(page)

    # A dot that is moved by the keyboard changes the shares, and the address keeps it.
    dot = page.locator("#plane circle").first
    expect(dot).to_have_attribute("aria-label", "Point 1 at 0.00, 0.60")
    dot.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"item=-0\.2%2C0\.6"))
    expect(dot).to_have_attribute("aria-label", "Point 1 at -0.20, 0.60")
    predict(page, "It rises")
    assert "yes. The largest share goes from" in verdict(page)
    expect(page).to_have_url(re.compile("alpha=20"))

    onward(page, 2)
    predict(page, "Nearly all decided")
    assert "It is: Nearly even. The mean of the largest share is 0.33" in verdict(page)
    see(page, r"^Mean of the largest share: 0\.33")

    onward(page, 3)
    predict(page, "More items")
    assert "claims 4.16 items instead of 3.51" in verdict(page)

    onward(page, 4)
    predict(page, "It is the same")
    assert "differs from the share by 0.000000" in verdict(page)

    onward(page, 5)
    expect(page.get_by_text(re.compile(r"^KL divergence 0\.\d+ nats"))).to_be_visible()
    predict(page, "The surest third")
    assert "Mean length of the arrows" in verdict(page)

    # From here on the figures come from a run: that of the main job, or one trained on the page.
    onward(page, 6)
    if not any(run.status == "done" and comes_from(run, quick_run("dec")) for run in store.runs()):
        page.get_by_role("button", name="Train it here").click()
        page.get_by_test_id("stProgress").wait_for()
    page.get_by_role("button", name="It rises", exact=True).click()
    answer = page.locator(".st-key-lesson-try").get_by_test_id("stAlert")
    expect(answer).to_contain_text(  # trained beside other tests
        re.compile(r"yes\. From 0\.\d+ to 0\.\d+"), timeout=TRAINING
    )
    see(page, r"^Update \d+ of \d+ · mean largest share 0\.\d+")
    expect(page.get_by_role("link", name=re.compile("Look inside"))).to_be_visible()

    onward(page, 7)  # the same run, so nothing need be trained
    predict(page, "In less than half the time")
    assert re.search(r"stops at update \d+ instead of \d+", verdict(page))
    page.reload()
    see(page, r"With a tolerance of 5% DEC stops at update \d+")

    onward(page, 8)
    expect(page.get_by_role("button", name="Train it here")).to_be_visible()
    onward(page, 9)
    onward(page, 10)  # of the run trained before
    predict(page, "Hardly, by less than 5 points")
    assert re.search(r"\d+% of the surest fifth are right", verdict(page))
    expect(page.get_by_role("link", name="Train it yourself")).to_be_visible()
