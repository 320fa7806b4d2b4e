"""Hunting failures in a real browser: ask, look, keep, export, and run again without them."""

import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from clustlab.analysis.failures import report
from clustlab.analysis.timeline import Timeline
from tests.support.browser import PATIENCE, see, selected, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


@pytest.fixture
def run(kmeans_runs):
    return kmeans_runs[0]


@pytest.fixture
def ask(store, run):
    data = store.dataset(run)
    timeline = Timeline(run, data.labels, len(data.class_names))
    return lambda name, **options: report.report(run, data, timeline, name, **options)


def ask_for(page, phrase):
    page.locator(".st-key-query-list").get_by_role("button", name=re.compile(phrase)).click()
    settle(page)


def download(page, label):
    """Press a button of the export popover; return what the browser receives."""
    with page.expect_download() as caught:
        page.get_by_role("button", name=label, exact=True).click()
    return caught.value.suggested_filename, caught.value.path().read_bytes()


def test_from_a_question_to_a_run_without_the_answer(page, address, store, run, ask):
    page.goto(f"{address}/failures?run={run.id}&query=merged-classes")

    # The address asks for merged classes: two classes stand side by side.
    merged = ask("merged-classes")
    see(page, r"^Merged classes$")
    first = merged["groups"][0]
    for side in first["sides"]:
        page.get_by_role("button", name=side["title"], exact=True).wait_for()
    page.get_by_role("button", name=first["sides"][1]["title"], exact=True).click()
    see(page, f"^{re.escape(first['sides'][1]['title'])}: ")
    assert selected(page)[1] == first["sides"][1]["count"]

    # Another question: its count is in its sentence, in the address, and in the selection.
    undecided = ask("undecided")
    ask_for(page, "undecided")
    see(page, r"^Undecided$")
    assert "query=undecided" in page.url
    page.get_by_role("button", name=f"Select all {undecided['n_items']}", exact=True).click()
    see(page, r"^Undecided, step \d+: ")
    assert selected(page)[1] == undecided["n_items"]

    # A filter narrows it and goes into the address; a reload brings both back.
    moved = page.get_by_role("textbox", name="Moved in steps")
    moved.fill("1-2")
    moved.press("Enter")
    page.wait_for_url(re.compile("moved=1-2"))
    page.reload()
    see(page, r"^Undecided$")
    expect(moved).to_have_value("1-2", timeout=PATIENCE)
    moved.fill("")
    moved.press("Enter")
    settle(page)

    # What compares all items is counted when it is asked.
    ask_for(page, "alone in their cluster")
    count = ask("impostors")["count"]
    page.get_by_role("button", name=re.compile(rf"^{count} images?: alone")).wait_for()
    page.get_by_role("button", name="Count at every step").click()
    see(page, r"^Over time$")

    # By keyboard: the first image of a sheet opens in the inspector.
    ask_for(page, "sure and wrong")
    wrong = ask("confidently-wrong")
    sheet = page.get_by_role("application", name=re.compile("Sure and wrong"))
    sheet.focus()
    page.keyboard.press("Enter")
    see(page, rf"^Item {wrong['items'][0]['index']}$")

    # Keep what is selected as a basket; it is there after a reload.
    page.get_by_role("button", name=re.compile("^Select all")).click()
    see(page, r"^Sure and wrong, step \d+: ")
    settle(page)
    page.get_by_role("button", name="Save as basket").click()
    page.get_by_role("textbox", name="Name of the basket").fill("Odd ones")
    page.get_by_test_id("stForm").get_by_role("button", name="Save", exact=True).click()
    see(page, "Saved .* as the basket 'Odd ones'")
    (file,) = (store.root / "_baskets").glob("*/*.json")
    indices = json.loads(file.read_text())["indices"]
    everything = ask("confidently-wrong", limit=1000)
    assert indices == sorted(item["index"] for item in everything["items"])
    page.reload()
    see(page, r"^Sure and wrong$")
    page.get_by_role("tab", name="Baskets").click()
    see(page, rf"Run again without these {len(indices)} items")
    exports(page, store.dataset(run), indices)

    # Run again without them.
    page.get_by_role("button", name=re.compile("^Run again without")).click()
    see(page, f"leaves out {len(indices)} items")
    page.get_by_role("button", name="Start", exact=True).click()
    see(page, r"^done$")
    fresh = store.runs()[0]
    assert fresh.id != run.id
    assert fresh.spec.excluded == indices
    assert len(fresh[-1].assignments) == 400 - len(indices)


def exports(page, data, indices):
    page.get_by_role("button", name="Export").click()
    name, text = download(page, "CSV")
    assert name == "odd-ones.csv"
    assert pd.read_csv(io.BytesIO(text))["item"].tolist() == indices
    name, packed = download(page, "Parquet")
    assert name == "odd-ones.parquet"
    assert pd.read_parquet(io.BytesIO(packed))["item"].tolist() == indices
    name, packed = download(page, "ZIP of images")
    assert name == "odd-ones.zip"
    files = zipfile.ZipFile(io.BytesIO(packed))
    assert len(files.namelist()) == len(indices) + 1
    pixels = np.asarray(Image.open(io.BytesIO(files.read(f"{indices[0]:06d}.png"))))
    assert pixels.tolist() == data.items[indices[0], ..., 0].tolist()
    page.keyboard.press("Escape")
