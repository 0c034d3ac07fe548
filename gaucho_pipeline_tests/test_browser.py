"""What a person sees, in a real Chromium: the gallery's page and Dagster's web UI. Skipped where there is no Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from gaucho_pipeline import embedded
from gaucho_pipeline.artifacts import Artifact, read_table
from gaucho_pipeline.assets import GALLERY_SITE
from gaucho_pipeline.embedded.demo_subjects import draw_subject
from gaucho_pipeline.pipeline import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--allow-file-access-from-files",
)  # fmt: skip


PICTURE_IS_SHOWN = "return [...document.images].some(i => i.src.startsWith('data:image/jpeg') && i.naturalWidth > 100)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    running = webdriver.Chrome(options=options, service=Service(driver))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    photos = draw_folder(folder / "photos", "chimarrao", 5)
    write_concepts(folder / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    shutil.copyfile(Path(embedded.__file__).parent / "dagster.yaml", folder / "dagster.yaml")
    gaucho(folder, "run", DAGSTER_HOME=str(folder))
    return folder


def keep_screenshot(browser: webdriver.Chrome, name: str) -> None:
    """Keeps a picture of the window where SCREENSHOTS says, for a person to look at."""
    if place := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(place) / f"{name}.png"))


@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_show_every_picture_and_fit_a_phone_and_a_desktop(width: int, browser: webdriver.Chrome, folder: Path) -> None:
    site = Project(folder / "concepts.yaml", folder / "data").store.current(GALLERY_SITE.name, "all")
    assert site
    browser.set_window_size(width, 900)
    browser.get((site.folder / "index.html").as_uri())
    keep_screenshot(browser, f"site-{width}")
    browser.find_element(By.CSS_SELECTOR, "h2 a").click()
    assert "Conceito de dnc" in browser.title
    keep_screenshot(browser, f"concept-{width}")
    for picture in browser.find_elements(By.TAG_NAME, "img"):
        browser.execute_script("arguments[0].scrollIntoView()", picture)
        WebDriverWait(browser, 10).until(lambda _, p=picture: p.get_property("naturalWidth") > 0)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert "João Araújo" in browser.find_element(By.TAG_NAME, "body").text


@pytest.fixture
def downloads(browser: webdriver.Chrome, tmp_path: Path) -> Path:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return tmp_path


def decide(browser: webdriver.Chrome, image: str, decision: str, caption: str = "") -> None:
    card = browser.find_element(By.ID, image)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", card)
    card.find_element(By.CSS_SELECTOR, f"input[value='{decision}']").click()
    if caption:
        card.find_element(By.CLASS_NAME, "caption").send_keys(caption)


def test_a_curator_reads_decides_saves_and_sees_the_set_change(browser: webdriver.Chrome, downloads: Path) -> None:
    folder = downloads / "project"
    photos = draw_folder(folder / "photos", "chimarrao", 6)
    draw_subject("chimarrao", 9, side=60).save(photos / "tiny.png")
    concept = folder_concept(photos, "dnc", "cup")
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept})
    gaucho(folder, "run", "--select", "curated_set")

    def curated() -> Artifact:
        artifact = Project(folder / "concepts.yaml", folder / "data").store.current("curated_set", "chimarrao")
        assert artifact
        return artifact

    before = curated()
    for width in (390, 1280):
        browser.set_window_size(width, 900)
        browser.get((before.folder / "review.html").as_uri())
        keep_screenshot(browser, f"review-{width}")
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    Select(browser.find_element(By.ID, "reason")).select_by_value("too small")
    (tiny,) = (card for card in browser.find_elements(By.TAG_NAME, "article") if card.is_displayed())
    assert "O lado menor tem poucos pixels." in tiny.text
    tiny_name = tiny.get_attribute("id")
    assert tiny_name
    Select(browser.find_element(By.ID, "reason")).select_by_value("")
    dropped = read_table(before.folder / "images.jsonl")[0]["sha256"][:16]
    captioned = read_table(before.folder / "images.jsonl")[1]["sha256"][:16]
    browser.find_element(By.ID, "by").send_keys("Anália")
    decide(browser, dropped, "drop")
    decide(browser, tiny_name, "keep")
    decide(browser, captioned, "", 'uma cuia, "de prata"')
    browser.execute_script("scrollTo(0, 0)")
    browser.find_element(By.ID, "save").click()
    WebDriverWait(browser, 20).until(lambda _: (downloads / "overrides.csv").exists())
    shutil.move(downloads / "overrides.csv", folder / "overrides.csv")
    concept["curation"] = {"overrides": "overrides.csv"}
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept})
    gaucho(folder, "run", "--select", "curated_set")
    after = curated()
    kept = {row["sha256"][:16]: row for row in read_table(after.folder / "images.jsonl")}
    assert dropped not in kept
    assert (kept[tiny_name]["by"], kept[tiny_name]["kept"]) == ("Anália", True)
    assert kept[captioned]["caption"].endswith(', uma cuia, "de prata"')
    assert after.manifest.data_version != before.manifest.data_version
    (folder / "overrides.csv").write_text("image,decision\n")
    gaucho(folder, "run", "--select", "curated_set")
    assert curated().manifest.data_version == before.manifest.data_version


@pytest.fixture(scope="module")
def web_ui(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"GAUCHO_CONCEPTS": str(folder / "concepts.yaml"), "GAUCHO_DATA": str(folder / "data"), "DAGSTER_HOME": str(folder)}
    command = [sys.executable, "-m", "dagster_webserver", "-m", "gaucho_pipeline.definitions", "-p", str(port), "-h", "127.0.0.1"]
    process = subprocess.Popen(command, env=os.environ | variables, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=2)
            break
        except OSError:
            time.sleep(0.5)
    yield address
    process.terminate()
    process.wait(20)


def shows(browser: webdriver.Chrome, address: str, *texts: str) -> None:
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda b: all(t in b.find_element(By.TAG_NAME, "body").text for t in texts))


def test_the_web_ui_shows_the_graph_the_partitions_and_what_was_measured(browser: webdriver.Chrome, web_ui: str) -> None:
    browser.set_window_size(1500, 1000)
    group = f"{web_ui}/locations/gaucho_pipeline.definitions/asset-groups/concepts/lineage"
    shows(browser, group, "raw_crawl", "curated_set", "checkpoint", "sample_gallery", "gallery_site")
    keep_screenshot(browser, "graph")
    shows(browser, f"{web_ui}/assets/checkpoint?view=partitions&partition=chimarrao", "chimarrao", "validation_loss")
    keep_screenshot(browser, "checkpoint")
    shows(browser, f"{web_ui}/assets/raw_crawl?view=partitions&partition=chimarrao", "licenses", "refused", "sources", "found")
    keep_screenshot(browser, "crawl")
    shows(browser, f"{web_ui}/assets/curated_set?view=partitions&partition=chimarrao", "excluded", "kept")
    shows(browser, f"{web_ui}/assets/sample_gallery?view=partitions&partition=chimarrao", "contact_sheet")
    browser.find_element(By.XPATH, "//*[contains(text(), 'Show Markdown')]").click()
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(PICTURE_IS_SHOWN))
    keep_screenshot(browser, "gallery")
