"""The lessons on assumptions, representations, DeepCluster and honest pictures, walked through."""

import re

import pytest
from playwright.sync_api import expect

from clustlab import course
from tests.browser import Watch, browser, server
from tests.test_browser import PATIENCE, SIZE, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with server(tmp_path_factory.mktemp("lessons") / "runs") as where:
        yield where


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport=SIZE)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    watch = Watch(opened)
    yield opened
    context.close()
    assert watch.problems == []


def predict(page, option, *, patience=PATIENCE):
    """Verdict after an answer, in one line."""
    page.locator(".st-key-lesson-try").get_by_role("button", name=option, exact=True).click()
    settle(page)
    verdict = page.locator(".st-key-lesson-try").get_by_test_id("stAlert")
    expect(verdict).to_have_count(1, timeout=patience)
    return " ".join(verdict.inner_text().split())


def numbers(pattern, text):
    """What stands in a text where the pattern has a #."""
    found = re.search(pattern.replace("#", r"(-?\d+(?:\.\d+)?)"), text)
    assert found, f"{pattern!r} is not in {text!r}"
    return [float(group) for group in found.groups()]


def fits(page):
    """Wait until nothing of the step is below the screen."""
    main = "document.querySelector('[data-testid=stMain]')"
    page.wait_for_function(f"{main}.scrollHeight <= {main}.clientHeight + 2", timeout=20_000)


def on(page, lesson, number):
    """Go on to a step by its button and wait for it."""
    page.get_by_role("button", name="On", exact=True).click()
    at(page, lesson, number)


def at(page, lesson, number):
    step = course.lesson(lesson).steps[number - 1]
    page.get_by_role("heading", name=f"{number}. {step.title}").wait_for()
    settle(page)
    expect(page.locator(".katex").first).to_be_visible()
    fits(page)


def test_assumptions(page, address):
    page.goto(f"{address}/learn?lesson=assumptions")
    at(page, "assumptions", 1)
    see(page, r"^Move 2: centres were moved · inertia 32\.39$")
    said = predict(page, "Nothing changes")
    size, shift, before, after = numbers(r"has # items.* ends # away.*inertia # became #", said)
    assert size > 1
    assert shift > 0.1
    assert before < after
    see(page, rf"^Move 10: .*inertia {after:.2f}$")
    page.get_by_role("button", name=re.compile("^Point 9")).press("ArrowLeft")
    settle(page)
    assert "points=" in page.url

    on(page, "assumptions", 2)
    end, best = numbers(r"ends at #, the best known is #", predict(page, "In a worse one"))
    assert end > 2 * best
    see(page, rf"inertia ends at {end:.2f}; the best of ten drawn starts reaches {best:.2f}")

    on(page, "assumptions", 3)
    said = predict(page, "One")
    assert "It is: Two or three" in said
    see(page, rf"^Accuracy {numbers(r'accuracy is #', said)[0]:.2f}:")

    on(page, "assumptions", 4)
    ball, free = numbers(r"accuracy of # .* free ellipses #", predict(page, "Yes"))
    assert ball < free
    see(page, rf"accuracy {ball:.2f}$")

    on(page, "assumptions", 5)
    large, small = numbers(r"hold # and # points", predict(page, "In the bridge"))
    assert small < 10 < large
    see(page, rf"^Two clusters of {large:g} and {small:g} points")

    on(page, "assumptions", 6)
    see(page, r"^10 neighbours each: accuracy 1\.00")
    few, many = numbers(r"from # to #", predict(page, "Yes"))
    assert many < few
    see(page, rf"^60 neighbours each: accuracy {many:.2f}")

    on(page, "assumptions", 7)
    said = predict(page, "Last")
    assert "Last: yes." in said
    means, spectral = numbers(r"k-means #, .*spectral #", said)
    assert spectral < means

    on(page, "assumptions", 8)
    share, own, other = numbers(
        r"#% of them: .* is # to the copy and #",
        predict(page, "More than half"),
    )
    assert own > other
    see(page, rf"^Of 200 images, {share:g}% are further")
