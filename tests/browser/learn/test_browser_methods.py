"""The page Methods in a browser: every text is set whole, formulas and headings."""

import pytest
from playwright.sync_api import expect

from clustlab import registry
from clustlab.ui.train.choices import method_words
from tests.support.browser import PATIENCE, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
HEADINGS = ["Idea", "What to watch", "Where it fails", "Source"]


def test_every_text_is_set_with_its_formulas_and_headings(page, address):
    page.goto(f"{address}/methods?about={list(registry.methods())[-1]}")
    for name, cls in registry.methods().items():
        page.get_by_role("combobox", name="Method").fill(cls.title)
        page.get_by_role("option", name=method_words(cls), exact=True).click()
        page.get_by_role("button", name=f"Train {cls.title}", exact=True).wait_for()
        settle(page)
        headings = page.locator("[data-testid=stMain] h2")
        expect(headings).to_have_text(HEADINGS, timeout=PATIENCE)
        assert page.locator(".katex-error").count() == 0, name
        assert "$$" not in page.locator("[data-testid=stMain]").inner_text(), name
