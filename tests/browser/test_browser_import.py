"""Data of one's own in a real browser: a ZIP and a folder come in, are trained on and looked at."""

import re
import zipfile

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect
from sklearn.datasets import load_digits

from clustlab.data import own_sets
from clustlab.importing import job
from tests.support.browser import TRAINING, go, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

N = 40


@pytest.fixture
def plates(tmp_path):
    """A folder of images of several sizes, a folder for each class, and one that is damaged."""
    digits = load_digits()
    folder = tmp_path / "plates"
    for i in range(N):
        place = folder / f"digit {digits.target[i]}"
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((digits.images[i] * 15.9).astype("uint8"))
        image.resize((20 + i % 7, 24)).save(place / f"well-{i:03d}.png")
    (folder / "digit 1" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    yield folder
    job.put_away()
    for name in own_sets.own_sets():
        own_sets.remove(name)


def give(page, files):
    """Drop files on the page, and wait until it has looked at them."""
    page.locator("input[type=file]").first.set_input_files(str(files))
    see(page, f"^{N} images of ")
    settle(page)


def test_images_are_imported_trained_on_and_found_by_the_names_of_their_files(
    page, address, plates
):
    archive = plates.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as pack:
        for file in sorted(plates.rglob("*.png")):
            pack.write(file, file.relative_to(plates.parent))

    # A ZIP is looked at before anything is written, and comes in without what is damaged.
    page.goto(f"{address}/data?bring=yes")
    give(page, archive)
    see(page, r"^1 would be refused: ")
    page.get_by_role("button", name=f"Import {N} items without the 1 refused").click()
    see(page, f"^{N} items came in as plates")
    assert len(own_sets.own_set("plates")) == N

    # A folder with the same content is found again.
    page.get_by_role("button", name="Close").click()
    page.get_by_text("A folder", exact=True).click()
    settle(page)
    give(page, plates)
    page.get_by_role("button", name=re.compile("^Import ")).click()
    see(page, "are there already, as plates; nothing was added")

    # It is trained on, with the settings that a link would carry.
    page.get_by_role("button", name="Train on it").click()
    settle(page)
    assert "dataset=plates" in page.url
    settings = (
        "method=iic&iic.epochs=1&iic.preset=quick&iic.batch_size=32&iic.width=4&iic.repeats=1"
    )
    page.goto(f"{address}/train?form=next&dataset=plates&{settings}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("done", exact=True).first).to_be_visible(timeout=TRAINING)

    # An item is found by the name of its file.
    page.get_by_role("link", name="Clusters", exact=True).click()
    field = page.get_by_label("Find by name")
    field.fill("well-007.png")
    field.press("Enter")
    see(page, r"^digit 7/well-007\.png · item \d+$")

    # A clustering made elsewhere stands beside the run as one more, and both are compared.
    names = own_sets.own_set("plates").item_names()
    rows = ["name,cluster", *(f"{name},{i % 4}" for i, name in enumerate(names))]
    made = plates.parent / "my script.csv"
    made.write_text("\n".join(rows))
    page.goto(f"{address}/data?about-data=plates")
    page.get_by_text("Add classes or a clustering made elsewhere").click()
    settle(page)
    page.locator("input[type=file]").first.set_input_files(str(made))
    page.get_by_role("button", name="Import as a run").click()
    see(page, "^It is there as the run ")
    page.get_by_role("link", name=re.compile("^Compare it with IIC")).click()
    settle(page)
    see(page, "^A: IIC$")
    see(page, "^B: ")
    expect(page.get_by_test_id("stException")).to_have_count(0)

    # Files that are given to the run as new ones are judged, and what comes out can be taken away.
    go(page, "New items")
    page.locator("input[type=file]").first.set_input_files(str(archive))
    see(page, f"^{N} items, ")
    see(page, "^1 is left out: ")
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="All as csv").click()
    table = pd.read_csv(download.value.path())
    assert sorted(table["name"]) == sorted(own_sets.own_set("plates").item_names())
