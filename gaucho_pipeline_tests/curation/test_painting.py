"""Painting masks on the review page, in a real Chromium: brush, eraser, polygon, keys, undo; and what the saved file holds."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_core_python.selenium import Axe
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.browsing import browser as browser
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho

SIDE = 128


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    concept = folder_concept(draw_folder(folder / "photos", "chimarrao", 4), "dnc", "cup")
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept})
    gaucho(folder, "run", "--select", "curated_set")
    return folder


@pytest.fixture
def painting(browser: webdriver.Chrome, project: Path) -> Iterator[webdriver.Chrome]:
    """The page with the first picture opened for painting."""
    page = Project(project / "concepts.yaml", project / "data").store.stable("curated_set", "chimarrao") / "review.html"
    browser.set_window_size(1000, 1200)
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear(); masks.clear(); isSaved = true")
    browser.get(page.as_uri())
    if browser.execute_script("return language") != "pt":
        browser.find_element(By.ID, "language").click()
    browser.find_element(By.CSS_SELECTOR, "button.paint").click()
    WebDriverWait(browser, 10).until(lambda _: browser.find_element(By.ID, "paint").get_attribute("open") is not None)
    yield browser
    browser.execute_script("isSaved = true; masks.clear()")


def take(browser: webdriver.Chrome, tool: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"input[name=tool][value={tool}]").click()


def canvas(browser: webdriver.Chrome) -> tuple[int, int, int]:
    """Left, top and side of the canvas in the window."""
    box = browser.execute_script("const b = maskCanvas.getBoundingClientRect(); return [b.left, b.top, b.width]")
    return int(box[0]), int(box[1]), int(box[2])


def drag(browser: webdriver.Chrome, *places: tuple[float, float]) -> None:
    """Draws with the pointer down through places, as shares of the sides."""
    left, top, side = canvas(browser)
    actions = ActionChains(browser, duration=20)
    for number, (x, y) in enumerate(places):
        actions.w3c_actions.pointer_action.move_to_location(int(left + x * side), int(top + y * side))
        if number == 0:
            actions.w3c_actions.pointer_action.pointer_down()
    actions.w3c_actions.pointer_action.pointer_up()
    actions.perform()


def click(browser: webdriver.Chrome, *places: tuple[float, float]) -> None:
    for place in places:
        drag(browser, place)


def mask(browser: webdriver.Chrome) -> np.ndarray:
    content = base64.b64decode(str(browser.execute_script("return maskPng()")).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def test_the_brush_paints_where_it_is_drawn_and_the_eraser_takes_it_away(painting: webdriver.Chrome) -> None:
    assert not mask(painting).any()
    painting.execute_script("document.getElementById('brush').value = 100")
    drag(painting, (0.2, 0.5), (0.8, 0.5))
    painted = mask(painting)
    assert painted.shape == (SIDE, SIDE)
    assert painted[64, 30:100].all()
    assert not painted[:40].any()
    assert "% da imagem é o motivo" in painting.find_element(By.ID, "share").text
    take(painting, "eraser")
    drag(painting, (0.2, 0.5), (0.5, 0.5))
    erased = mask(painting)
    assert not erased[64, 30:60].any()
    assert erased[64, 80:100].all()


def test_a_polygon_is_filled_and_undo_takes_back_step_by_step(painting: webdriver.Chrome) -> None:
    take(painting, "polygon")
    click(painting, (0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    painting.find_element(By.ID, "close-polygon").click()
    filled = mask(painting)
    assert filled[40:90, 40:90].all()
    assert abs(filled.mean() / 255 - 0.25) < 0.02
    painting.find_element(By.ID, "undo").click()
    assert not mask(painting).any()


def test_it_is_painted_by_keys_alone(painting: webdriver.Chrome) -> None:
    painting.execute_script("document.getElementById('brush').value = 100; maskCanvas.focus()")
    keys = ActionChains(painting)
    keys.send_keys(Keys.SPACE, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.SPACE).perform()
    painted = mask(painting)
    assert painted[64, 64] == 255
    assert painted[64, 64:80].all()
    ActionChains(painting).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    assert mask(painting).sum() < painted.sum()


def test_a_polygon_by_keys(painting: webdriver.Chrome) -> None:
    take(painting, "polygon")
    painting.execute_script("document.getElementById('brush').value = 60; maskCanvas.focus()")
    right, down, left = Keys.ARROW_RIGHT * 6, Keys.ARROW_DOWN * 6, Keys.ARROW_LEFT * 6
    ActionChains(painting).send_keys(Keys.ENTER, right, Keys.ENTER, down, Keys.ENTER, left, Keys.ENTER).perform()
    painting.find_element(By.ID, "close-polygon").click()
    assert mask(painting)[68:90, 68:90].all()


def test_a_finger_paints_too(painting: webdriver.Chrome) -> None:
    left, top, side = canvas(painting)
    for kind, x in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.7), ("touchEnd", None)):
        points = [] if x is None else [{"x": left + x * side, "y": top + 0.5 * side}]
        painting.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert mask(painting)[64, 45:85].all()


def test_what_was_painted_stays_in_the_browser_and_is_opened_again(painting: webdriver.Chrome) -> None:
    painting.execute_script("document.getElementById('brush').value = 100")
    drag(painting, (0.3, 0.5), (0.7, 0.5))
    before = mask(painting)
    painting.find_element(By.ID, "painted").click()
    painting.execute_script("isSaved = true")
    painting.refresh()
    button = painting.find_element(By.CSS_SELECTOR, "button.paint")
    WebDriverWait(painting, 10).until(lambda _: "máscara pintada" in button.text)  # which is read from the browser's store
    button.click()
    WebDriverWait(painting, 10).until(lambda _: mask(painting).shape == before.shape and mask(painting).any())
    assert np.abs(mask(painting).astype(int) - before).max() <= 2


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dialog_fits_and_keeps_nobody_out(painting: webdriver.Chrome, width: int) -> None:
    painting.set_window_size(width, 900)
    assert painting.execute_script("return document.getElementById('paint').scrollWidth <= window.innerWidth")
    found = Axe().run(painting)["violations"]
    assert [each["id"] for each in found if any("paint" in str(node["target"]) for node in each["nodes"])] == []


def test_the_saved_file_is_a_zip_that_others_read_and_that_is_put_in_place(
    painting: webdriver.Chrome, project: Path, tmp_path: Path
) -> None:
    painting.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    painting.execute_script("document.getElementById('brush').value = 100")
    drag(painting, (0.3, 0.5), (0.7, 0.5))
    painting.find_element(By.ID, "painted").click()
    painting.execute_script("scrollTo(0, 0)")
    painting.find_element(By.ID, "save").click()
    saved = tmp_path / "chimarrao.overrides.zip"
    WebDriverWait(painting, 20).until(lambda _: saved.exists())
    with zipfile.ZipFile(saved) as opened:
        assert opened.testzip() is None
        table, painted = opened.namelist()
        assert table == "overrides.csv"
        assert opened.read(table).decode("utf-8-sig").startswith("image,decision")
    said = gaucho(project, "review", "chimarrao", str(saved)).stdout
    assert "1 masks" in said
    assert "masks: {folder: masks/chimarrao}" in said
    with Image.open(project / "masks" / "chimarrao" / Path(painted).name) as placed:
        assert (placed.mode, placed.size) == ("L", (SIDE, SIDE))
        assert np.asarray(placed)[64, 50:80].all()
