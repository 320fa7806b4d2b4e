"""The lessons on assumptions, representations, DeepCluster and honest pictures, walked through."""

import re

import pytest
from playwright.sync_api import expect

from clustlab.course import catalogue
from tests.support.browser import PATIENCE, TRAINING, fits, formulas_fit, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def predict(page, option, *, patience=PATIENCE):
    """Verdict after an answer, in one line."""
    page.locator(".st-key-lesson-try").get_by_role("button", name=option, exact=True).click()
    settle(page)
    return verdict(page, patience=patience)


def verdict(page, *, patience=PATIENCE):
    """What is said of an answer, in one line."""
    said = page.locator(".st-key-lesson-try").get_by_test_id("stAlert")
    expect(said).to_have_count(1, timeout=patience)
    return " ".join(said.inner_text().split())


def numbers(pattern, text):
    """What stands in a text where the pattern has a #."""
    found = re.search(pattern.replace("#", r"(-?\d+(?:\.\d+)?)"), text)
    assert found, f"{pattern!r} is not in {text!r}"
    return [float(group) for group in found.groups()]


def on(page, lesson, number):
    """Go on to a step by its button and wait for it."""
    settle(page)  # a button that moves while it is clicked is missed
    page.get_by_role("button", name="Next", exact=True).click()
    at(page, lesson, number)


def at(page, lesson, number):
    step = catalogue.lesson(lesson).steps[number - 1]
    page.get_by_role("heading", name=f"{number}. {step.title}").wait_for()
    settle(page)
    expect(page.locator(".katex").first).to_be_visible()
    fits(page)
    formulas_fit(page)


def test_assumptions(page, address):
    page.goto(f"{address}/learn?lesson=assumptions")
    at(page, "assumptions", 1)
    see(page, r"^Move 2: centres were moved · inertia 32\.39$")
    said = predict(page, "Nothing changes")
    size, shift, before, after = numbers(
        r"has # items.* ends # from.*inertia goes from # to #", said
    )
    assert size > 1
    assert shift > 0.1
    assert before < after
    see(page, rf"^Move 10: .*inertia {after:.2f}$")
    page.get_by_role("button", name=re.compile("^Point 9")).press("ArrowLeft")
    settle(page)
    assert "points=" in page.url

    on(page, "assumptions", 2)
    end, best = numbers(r"ends at #, the best known is #", predict(page, "At a worse one"))
    assert end > 2 * best
    see(page, rf"inertia ends at {end:.2f}; the best of ten random starts reaches {best:.2f}")

    on(page, "assumptions", 3)
    said = predict(page, "One")
    assert "It is: Two or three" in said
    see(page, rf"^Accuracy {numbers(r'accuracy is #', said)[0]:.2f}:")

    on(page, "assumptions", 4)
    ball, free = numbers(r"accuracy of # .* free ellipses #", predict(page, "As well as before"))
    assert ball < free
    see(page, rf"accuracy {ball:.2f}$")

    on(page, "assumptions", 5)
    large, small = numbers(r"hold # and # points", predict(page, "Across the bridge"))
    assert small < 10 < large
    see(page, rf"^Two clusters of {large:g} and {small:g} points")

    on(page, "assumptions", 6)
    see(page, r"^10 neighbours each: accuracy 1\.00")
    few, many = numbers(r"from # to #", predict(page, "Both are found"))
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


def train(page, patience=TRAINING):
    """Start the runs of a step and wait until all of them are done."""
    page.get_by_role("button", name="Train it here").click()
    links = page.get_by_role("link", name=re.compile("Look inside:"))
    links.first.wait_for(timeout=patience)
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=patience)
    settle(page)


def waits_for_a_run(page, option):
    """An answer is taken, and the verdict waits for the run that can be started here."""
    expect(page.get_by_role("button", name="Train it here")).to_be_visible()
    page.locator(".st-key-lesson-try").get_by_role("button", name=option, exact=True).click()
    see(page, "^The answer comes once the run is done")


def test_representations(page, address):
    page.goto(f"{address}/learn?lesson=representations")
    at(page, "representations", 1)
    see(page, r"^3 of 64 numbers keep ")
    (kept,) = numbers("#%; the first direction", predict(page, "Less than half"))
    assert 50 < kept < 80
    see(page, rf"^10 of 64 numbers keep {kept}% of the variance")

    on(page, "representations", 2)
    waits_for_a_run(page, "It stays within 0.02")
    train(page)  # and the verdict comes by itself
    linear, pixels, agreement = numbers("# against #, and .* NMI of #", verdict(page))
    assert abs(linear - pixels) <= 0.02
    assert agreement > 0.9

    on(page, "representations", 3)
    train(page)
    bent, flat = numbers("Error # against #", predict(page, "The components"))
    assert bent < flat
    see(page, r"^After 12 passes")

    on(page, "representations", 4)
    waits_for_a_run(page, "Within 0.05")
    on(page, "representations", 5)
    waits_for_a_run(page, "More than half")

    on(page, "representations", 6)
    (cost,) = numbers("costs # nats", predict(page, "Nothing"))
    assert cost > 1
    see(page, "^Price of one number of the code")
    shown = page.get_by_test_id("stMain").evaluate("main => main.textContent")
    assert round(float(re.search(r"0\.000 \+ \d\.\d{3} = (\d\.\d{3})", shown)[1]), 2) == cost

    on(page, "representations", 7)
    waits_for_a_run(page, "All ten")


def test_deepcluster(page, address):
    page.goto(f"{address}/learn?lesson=deepcluster")
    at(page, "deepcluster", 1)
    train(page)
    found, chance = numbers("# against # for random", predict(page, "About as many as by chance"))
    assert found > chance + 0.2

    on(page, "deepcluster", 2)  # the same run again
    see(page, r"^train only \(round 1\)")
    final, first = numbers("#% in the last round and #%", predict(page, "Below 10%"))
    assert 0 < final < first
    see(page, rf"^cluster only \(round 10\): .*{final:g}% of the labels")

    on(page, "deepcluster", 3)
    waits_for_a_run(page, "Lower")

    on(page, "deepcluster", 4)
    loss, even = numbers("# nats, against #", predict(page, "Much smaller"))
    assert loss < even / 4
    see(page, rf"reaches {loss:.3f} nats")

    on(page, "deepcluster", 5)
    (ratio,) = numbers("# times as often", predict(page, "Equally often"))
    assert ratio == pytest.approx(12, abs=1.5)

    on(page, "deepcluster", 6)
    see(page, r"6 of 6 are in use")
    without, repaired = numbers(
        "# of 6 clusters .* without repair, # with", predict(page, "All six")
    )
    assert without < repaired
    see(page, rf"{without:g} of 6 are in use")

    on(page, "deepcluster", 7)
    see(page, r"^16 of 16 clusters are in use")
    kept, drawn = numbers("# of 16 with the old centres, # with new", predict(page, "All of them"))
    assert kept < drawn
    see(page, rf"^{kept:g} of 16 clusters are in use")

    on(page, "deepcluster", 8)  # the guarded run is there already
    see(page, "^Beside the guarded run: nothing switched yet")
    page.get_by_text("Augmentation", exact=True).click()
    settle(page)
    train(page)
    see(page, "^Beside the guarded run: augmentation off")
    text = predict(page, "With a higher loss")
    mine, guarded, right, usual = numbers(
        "at # of a guess instead of #, and # of the images are right instead of #", text
    )
    assert mine < guarded / 2
    assert right < usual - 0.05
    assert "It is: With a lower loss, and fewer images right" in text
    shown = page.get_by_test_id("stMain").evaluate("main => main.textContent")
    (exact,) = numbers("images are in the cluster of their digit: #", shown)
    assert exact == pytest.approx(usual, abs=0.006)  # the arithmetic of the clicked number


def test_honest_pictures(page, address):
    page.goto(f"{address}/learn?lesson=honest-pictures")
    at(page, "honest-pictures", 1)
    see(page, r"^Seeds 0 to 3\. The first two share \d+%")
    far, near = numbers("# for far pairs, while #%", predict(page, "Hardly, below 0.6"))
    assert far < 0.6
    assert near > 30

    on(page, "honest-pictures", 2)
    data, shown = numbers("# times as wide in the data, # times", predict(page, "At most twice"))
    assert data > 8
    assert shown < 4

    on(page, "honest-pictures", 3)
    low, high = numbers("# to # over four draws", predict(page, "Below 0.1"))
    assert 0.25 < low <= high
    see(page, r"silhouette 0\.\d\d\. The points were drawn without any groups")

    on(page, "honest-pictures", 4)
    truth, found, right = numbers(
        "truth has #, k-means #, with an accuracy of #", predict(page, "The true rings")
    )
    assert truth < found
    assert right < 0.7

    on(page, "honest-pictures", 5)
    right, pure = numbers("Accuracy is #, purity #", predict(page, "Above 0.9"))
    assert (right, pure) == (pytest.approx(46 / 90, abs=1e-3), pytest.approx(2 / 3, abs=1e-3))
    see(page, r"cluster \d stands for no class")

    on(page, "honest-pictures", 6)
    gap, low, high = numbers("#: from # to #", predict(page, "Less than 0.02"))
    assert gap == pytest.approx(high - low, abs=0.0015)
    see(page, rf"from {low:.3f} to {high:.3f}$")
