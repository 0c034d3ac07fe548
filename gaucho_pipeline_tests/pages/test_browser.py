"""What a person sees, in a real Chromium: the site, the review page and Dagster's web UI. Skipped where there is no Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from gaucho_pipeline import orchestration
from gaucho_pipeline.assets.table import GALLERY_SITE
from gaucho_pipeline.demo.subjects import draw_subject
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.pages.content import ConceptFolders
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.browsing import browser as browser
from gaucho_pipeline_tests.browsing import each
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import free_port, gaucho
from gaucho_pipeline_tests.standing import stand_all

PICTURE_IS_SHOWN = "return [...document.images].some(i => i.src.startsWith('data:image/jpeg') && i.naturalWidth > 100)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    photos = draw_folder(folder / "photos", "chimarrao", 5)
    concept = folder_concept(photos, "dnc", "cup")
    concept["gallery"] = {"prompts": [f"a photo of {{token}} {{class_noun}}{where}" for where in ("", " on the grass")]}
    day, night = (f"a photo of {{token}} {{class_noun}} on the grass {when}" for when in ("by day", "at night"))
    beats = [{"prompt": day, "frames": 2, "caption": {"pt": "De dia", "en": "By day"}}, {"prompt": night, "frames": 2}]
    concept["sequence"] = {"stories": [{"name": "one_day", "beats": beats, "frames_per_second": 20}], "num_inference_steps": 2}
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept})
    shutil.copyfile(Path(orchestration.__file__).parent / "dagster.yaml", folder / "dagster.yaml")
    gaucho(folder, "run", DAGSTER_HOME=str(folder))
    return folder


def keep_screenshot(browser: webdriver.Chrome, name: str) -> None:
    """Keeps a picture of the window where SCREENSHOTS says, for a person to look at."""
    if place := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(place) / f"{name}.png"))


def site_of(folder: Path) -> Path:
    return Project(folder / "concepts.yaml", folder / "data").store.home(GALLERY_SITE.name, "all") / "current"


def open_page(browser: webdriver.Chrome, address: Path, width: int = 1280, dark: bool = False) -> None:
    """Opens a page as it is seen in a window of that width, light or dark."""
    browser.set_window_size(width, 900)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.get_log("browser")  # what was said before
    browser.get(address.as_uri())


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_show_every_picture_and_fit_a_phone_and_a_desktop(
    width: int, dark: bool, browser: webdriver.Chrome, folder: Path
) -> None:
    name = f"{width}-{'dark' if dark else 'light'}"
    open_page(browser, site_of(folder) / "index.html", width, dark)
    keep_screenshot(browser, f"site-{name}")
    browser.find_element(By.CSS_SELECTOR, "h2 a").click()
    assert "Conceito de dnc" in browser.title
    keep_screenshot(browser, f"concept-{name}")
    for folded in browser.find_elements(By.TAG_NAME, "summary"):
        browser.execute_script("arguments[0].click()", folded)
    for picture in browser.find_elements(By.CSS_SELECTOR, "main img:not(dialog img)"):
        browser.execute_script("arguments[0].scrollIntoView()", picture)
        WebDriverWait(browser, 10).until(lambda _, p=picture: p.get_property("naturalWidth") > 0)
        assert picture.get_attribute("alt")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert "João Araújo" in browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.parametrize("page", ["index.html", "en.html", "chimarrao/index.html", "chimarrao/en.html"])
@pytest.mark.parametrize("dark", [False, True])
def test_no_page_keeps_anybody_out_says_an_error_or_asks_another_host(
    page: str, dark: bool, browser: webdriver.Chrome, folder: Path
) -> None:
    open_page(browser, site_of(folder) / page, dark=dark)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert browser.get_log("browser") == []
    assert [f"{found['id']}: {found['nodes'][0]['html']}" for found in Axe().run(browser)["violations"]] == []


def test_before_and_after_are_compared_by_keyboard_and_seen_large(browser: webdriver.Chrome, folder: Path) -> None:
    open_page(browser, site_of(folder) / "chimarrao" / "index.html")
    slider = browser.find_element(By.CSS_SELECTOR, ".pair input[type=range]")

    def cut() -> str:
        return str(browser.execute_script("return getComputedStyle(document.querySelector('.stage img + img')).clipPath"))

    assert cut() in ("inset(0px 0px 0px 0%)", "inset(0px)")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert cut() == "inset(0px 0px 0px 2%)"
    slider.send_keys(Keys.END)
    assert cut() == "inset(0px 0px 0px 100%)"
    slider.send_keys(Keys.HOME)
    assert cut() in ("inset(0px 0px 0px 0%)", "inset(0px)")
    browser.find_element(By.CSS_SELECTOR, "button.enlarge").send_keys(Keys.ENTER)
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    assert dialog.is_displayed()
    before, after = each(browser, "dialog[open] img", "element.src")
    assert before.endswith("000-base.png")
    assert after.endswith("000-tuned.png")
    keep_screenshot(browser, "enlarged")
    dialog.find_element(By.ID, "next").send_keys(Keys.ARROW_RIGHT)
    assert "2/2" in dialog.text
    dialog.find_element(By.ID, "close").send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_a_picture_is_dragged_over_with_the_mouse(browser: webdriver.Chrome, folder: Path) -> None:
    open_page(browser, site_of(folder) / "chimarrao" / "index.html")
    stage = browser.find_element(By.CSS_SELECTOR, ".pair .stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    width = stage.size["width"]
    ActionChains(browser).move_to_element(stage).click_and_hold().move_by_offset(width // 4, 0).move_by_offset(10, 0).release().perform()
    value = int(browser.find_element(By.CSS_SELECTOR, ".pair input[type=range]").get_property("value") or 0)
    assert 75 <= value <= 85


def story_of(browser: webdriver.Chrome, folder: Path) -> WebElement:
    browser.get((site_of(folder) / "chimarrao" / "index.html").as_uri())
    return browser.find_element(By.CSS_SELECTOR, ".story")


def frame_of(story: WebElement) -> str:
    return (story.find_element(By.CSS_SELECTOR, "img.frame").get_attribute("src") or "").rpartition("/")[2]


def test_a_story_stands_still_until_it_is_played_and_is_looked_through_frame_by_frame(browser: webdriver.Chrome, folder: Path) -> None:
    story = story_of(browser, folder)
    button, slider = story.find_element(By.CSS_SELECTOR, "button.play"), story.find_element(By.CSS_SELECTOR, "input[type=range]")
    time.sleep(0.5)  # ten frames' time
    assert (frame_of(story), button.text) == ("000.png", "reproduzir")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert frame_of(story) == "002.png"
    current = story.find_element(By.CSS_SELECTOR, ".beats [aria-current]")
    assert current.get_attribute("data-first") == "2"
    assert current.text in (story.find_element(By.CSS_SELECTOR, "img.frame").get_attribute("alt") or "")
    button.click()
    assert button.text == "pausar"
    seen = set[str]()
    WebDriverWait(browser, 20, poll_frequency=0.02).until(lambda _: seen.add(frame_of(story)) or len(seen) == 4)  # it begins again, too
    keep_screenshot(browser, "story")
    button.click()
    still = frame_of(story)
    time.sleep(0.5)
    assert (frame_of(story), button.text) == (still, "reproduzir")
    strip = story.find_element(By.CSS_SELECTOR, "img.strip")
    browser.execute_script("arguments[0].scrollIntoView()", strip)
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script("return arguments[0].naturalWidth", strip) > 500)


def test_a_story_never_plays_for_whoever_asks_for_less_motion(browser: webdriver.Chrome, folder: Path) -> None:
    wanted = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    try:
        story = story_of(browser, folder)
        button = story.find_element(By.CSS_SELECTOR, "button.play")
        assert not button.is_displayed()
        assert story.find_element(By.CSS_SELECTOR, ".still").is_displayed()
        browser.execute_script("arguments[0].click()", button)
        time.sleep(0.5)
        assert frame_of(story) == "000.png"
        story.find_element(By.CSS_SELECTOR, "input[type=range]").send_keys(Keys.ARROW_RIGHT)
        assert frame_of(story) == "001.png"
        assert story.find_element(By.CSS_SELECTOR, "img.strip").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_what_looks_copied_is_seen_whole_beside_its_training_image(browser: webdriver.Chrome, tmp_path: Path) -> None:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    stand_all(project)
    shown = project.shown()["araucaria"]
    copy = {"file": "pictures/000-tuned.png", "training": "training/000.jpg", "cosine": 0.99}
    write_table(shown.evaluation.folder / "copies.jsonl", [copy])
    draw_subject("araucaria", 1).convert("RGB").save(shown.evaluation.folder / "training" / "000.jpg")
    about = project.concept("araucaria").about()
    folders = ConceptFolders("araucaria", about, shown.evaluation.folder, shown.gallery.folder, shown.checkpoint.folder)
    write_site(tmp_path / "site", [folders])
    open_page(browser, tmp_path / "site" / "araucaria" / "index.html")
    generated, training = browser.find_elements(By.CSS_SELECTOR, ".copies img")
    assert generated.rect["x"] + generated.rect["width"] <= training.rect["x"]
    assert browser.execute_script("return getComputedStyle(document.querySelectorAll('.copies img')[1]).clipPath") == "none"
    browser.find_element(By.CSS_SELECTOR, "button.enlarge").send_keys(Keys.ENTER)
    assert "1/1" in browser.find_element(By.TAG_NAME, "dialog").text  # what looks copied is no before and after
    assert [found["id"] for found in Axe().run(browser)["violations"]] == []


def test_the_language_is_switched_and_stays_so(browser: webdriver.Chrome, folder: Path) -> None:
    open_page(browser, site_of(folder) / "chimarrao" / "index.html")
    assert "Antes e depois" in browser.find_element(By.TAG_NAME, "main").text
    browser.find_element(By.ID, "language").click()
    assert browser.execute_script("return document.documentElement.lang") == "en"
    text = browser.find_element(By.TAG_NAME, "main").text
    assert ("Before and after" in text, "Antes" in text) == (True, False)
    browser.find_element(By.CSS_SELECTOR, "nav a").click()
    assert browser.current_url.endswith("/en.html")


def test_pictures_are_chosen_by_prompt_and_a_credit_is_copied(browser: webdriver.Chrome, folder: Path) -> None:
    open_page(browser, site_of(folder) / "chimarrao" / "en.html")
    Select(browser.find_element(By.NAME, "prompt")).select_by_index(1)
    assert each(browser, ".group", "element.checkVisibility()") == [True, False]
    button = browser.find_element(By.CSS_SELECTOR, ".credits button.copy")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: button.text == "copied")  # it says so for a moment


def test_a_page_prints_with_both_pictures_side_by_side(browser: webdriver.Chrome, folder: Path) -> None:
    open_page(browser, site_of(folder) / "chimarrao" / "index.html")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    keep_screenshot(browser, "print")
    where = "return [...document.querySelectorAll('.pair .stage img')].slice(0, 2).map(picture => picture.getBoundingClientRect().x)"
    positions = browser.execute_script(where)
    assert positions[1] > positions[0]
    assert not browser.find_element(By.CSS_SELECTOR, ".pair input").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


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
    read_in(browser, "pt")
    Select(browser.find_element(By.ID, "reason")).select_by_value("too small")
    (tiny,) = browser.find_elements(By.TAG_NAME, "article")
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
    saved = downloads / "chimarrao.overrides.zip"
    WebDriverWait(browser, 20).until(lambda _: saved.exists())
    said = gaucho(folder, "review", "chimarrao", str(saved)).stdout
    assert "3 decisions" in said
    assert "overrides: overrides/chimarrao.csv" in said
    concept["curation"] = {"overrides": "overrides/chimarrao.csv"}
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept})
    gaucho(folder, "run", "--select", "curated_set")
    after = curated()
    kept = {row["sha256"][:16]: row for row in read_table(after.folder / "images.jsonl")}
    assert dropped not in kept
    assert (kept[tiny_name]["by"], kept[tiny_name]["kept"]) == ("Anália", True)
    assert kept[captioned]["caption"].endswith(', uma cuia, "de prata"')
    assert after.manifest.data_version != before.manifest.data_version
    (folder / "overrides" / "chimarrao.csv").write_text("image,decision\n")
    gaucho(folder, "run", "--select", "curated_set")
    assert curated().manifest.data_version == before.manifest.data_version


def read_in(browser: webdriver.Chrome, language: str) -> None:
    """Has the review page in a language, and its filters open."""
    if not (browser.find_element(By.TAG_NAME, "html").get_attribute("lang") or "").startswith(language):
        browser.find_element(By.ID, "language").click()
    browser.execute_script("document.getElementById('tools').open = true")


def review_of(folder: Path) -> Path:
    return Project(folder / "concepts.yaml", folder / "data").store.stable("curated_set", "chimarrao") / "review.html"


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with six pictures, of which one is a copy of another and one is too small."""
    folder = tmp_path_factory.mktemp("reviewed")
    photos = draw_folder(folder / "photos", "chimarrao", 5)
    draw_subject("chimarrao", 0, side=240).save(photos / "large.png")
    draw_subject("chimarrao", 9, side=60).save(photos / "tiny.png")
    write_concepts(folder / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    gaucho(folder, "run", "--select", "curated_set")
    return folder


@pytest.fixture
def reviewed(browser: webdriver.Chrome, curated: Path) -> Iterator[webdriver.Chrome]:
    """Its review page, on which nobody has decided anything."""
    open_page(browser, review_of(curated))
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    read_in(browser, "pt")
    yield browser
    browser.execute_script("isSaved = true; localStorage.clear()")


def texts(browser: webdriver.Chrome) -> list[str]:
    return each(browser, "article", "element.innerText")


def test_a_copy_stands_behind_what_it_copies_and_leads_to_it_also_where_a_filter_hides_it(reviewed: webdriver.Chrome) -> None:
    order = each(reviewed, "article h2", "element.textContent")
    assert order[order.index("large") + 1] == "00"
    Select(reviewed.find_element(By.ID, "reason")).select_by_value("near-duplicate")
    assert len(texts(reviewed)) == 1
    reviewed.find_element(By.LINK_TEXT, "qual?").click()
    assert reviewed.execute_script("return document.activeElement.querySelector('h2').textContent") == "large"
    assert len(texts(reviewed)) == 7


def test_keys_decide_and_go_on_and_a_picture_is_enlarged(reviewed: webdriver.Chrome) -> None:
    keys = ActionChains(reviewed)
    keys.send_keys(Keys.ARROW_RIGHT, "d", Keys.ARROW_RIGHT, "k", Keys.ENTER).perform()
    assert "você mudou 2" in reviewed.find_element(By.ID, "counts").text
    assert each(reviewed, "article", "element.className === 'changed'")[:3] == [True, True, False]
    large = reviewed.find_element(By.CSS_SELECTOR, "dialog img")
    assert large.is_displayed()
    assert "/images/" in (large.get_attribute("src") or "")  # as it is trained on
    ActionChains(reviewed).send_keys(Keys.ESCAPE).perform()
    ActionChains(reviewed).send_keys("a").perform()
    assert not large.is_displayed()


def test_decisions_stay_in_the_browser_until_they_are_saved(reviewed: webdriver.Chrome) -> None:
    reviewed.find_element(By.ID, "by").send_keys("Anália")
    Select(reviewed.find_element(By.ID, "reason")).select_by_value("too small")
    reviewed.find_element(By.CSS_SELECTOR, "[data-bulk=keep]").click()
    assert "De 7 lidas, ficam 6 e saem 1; você mudou 1." in reviewed.find_element(By.ID, "counts").text
    asked = "const event = new Event('beforeunload', {cancelable: true}); return !dispatchEvent(event)"
    assert reviewed.execute_script(asked)
    reviewed.execute_script("window.onbeforeunload = null; addEventListener('beforeunload', e => e.stopImmediatePropagation(), true)")
    address = reviewed.current_url
    reviewed.get("about:blank")
    with contextlib.suppress(NoAlertPresentException):
        reviewed.switch_to.alert.accept()
    reviewed.get(address)
    assert "De 7 lidas, ficam 6 e saem 1; você mudou 1." in reviewed.find_element(By.ID, "counts").text
    assert reviewed.find_element(By.ID, "by").get_attribute("value") == "Anália"
    reviewed.find_element(By.CSS_SELECTOR, "[data-bulk='']").click()
    assert "você mudou 0" in reviewed.find_element(By.ID, "counts").text
    assert not reviewed.execute_script(asked)


def test_one_language_is_shown_at_a_time(reviewed: webdriver.Chrome) -> None:
    decide(reviewed, each(reviewed, "article", "element.id")[0], "drop")
    portuguese = reviewed.find_element(By.TAG_NAME, "body").text
    read_in(reviewed, "en")
    english = reviewed.find_element(By.TAG_NAME, "body").text
    for only, other, text in (
        (portuguese, english, "você mudou 1"),
        (english, portuguese, "you changed 1"),
        (portuguese, english, "O lado menor"),
    ):
        assert text in only
        assert text not in other
    reviewed.refresh()
    assert "you changed 1" in reviewed.find_element(By.ID, "counts").text  # the language is remembered with the decisions
    keep_screenshot(reviewed, "review-en")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_picture_is_on_the_first_screen(reviewed: webdriver.Chrome, width: int) -> None:
    reviewed.set_window_size(width, 844)
    reviewed.refresh()
    picture = reviewed.find_element(By.CSS_SELECTOR, "article .picture")
    assert picture.rect["y"] + 100 < reviewed.execute_script("return window.innerHeight")
    keep_screenshot(reviewed, f"review-first-{width}")
    assert reviewed.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(reviewed)["violations"]
    assert [(each["id"], each["nodes"][0]["target"]) for each in found] == []


def test_the_name_of_the_file_and_its_hash_are_shown_and_copied(reviewed: webdriver.Chrome) -> None:
    card = reviewed.find_element(By.XPATH, "//article[.//h2[text()='large']]")
    names = card.find_element(By.CLASS_NAME, "names")
    assert "large.png" in names.text
    assert (card.get_attribute("id") or "!") in names.text
    buttons = names.find_elements(By.TAG_NAME, "button")
    reviewed.execute_script("window.copies = []; document.execCommand = () => copies.push(document.activeElement.value);"
                            "navigator.clipboard.writeText = async text => copies.push(text)")  # fmt: skip
    for button in buttons:
        reviewed.execute_script("arguments[0].click()", button)
    WebDriverWait(reviewed, 5).until(lambda _: all(button.text == "copiado" for button in buttons))
    assert reviewed.execute_script("return copies") == ["large.png", card.get_attribute("id")]


def test_captions_are_edited_in_one_table_with_search_and_replace(reviewed: webdriver.Chrome) -> None:
    reviewed.find_element(By.ID, "open-captions").click()

    def captions() -> list[str]:
        return each(reviewed, ".caption-row input", "element.value")

    plain = "a photo of {token} {class_noun}"
    assert captions() == [plain] * 5
    assert "Nenhuma legenda diz nada" in reviewed.find_element(By.ID, "words-in-all").text
    reviewed.find_element(By.CSS_SELECTOR, ".caption-row input").send_keys(" on a table", Keys.TAB)
    find, replace = reviewed.find_element(By.ID, "find"), reviewed.find_element(By.ID, "replace")
    find.send_keys("photo")
    replace.send_keys("print $& by Ana")
    reviewed.find_element(By.ID, "replace-all").click()
    changed = plain.replace("photo", "print $& by Ana")
    assert captions() == [changed + " on a table"] + [changed] * 4
    assert "5 legendas mudaram" in reviewed.find_element(By.ID, "replaced").text
    said = reviewed.find_element(By.ID, "words-in-all").text
    assert "ana" in said
    assert "table" not in said
    keep_screenshot(reviewed, "review-captions")
    found = Axe().run(reviewed)["violations"]
    assert [(each["id"], each["nodes"][0]["target"]) for each in found if "caption" in str(each["nodes"])] == []
    reviewed.find_element(By.ID, "undo-replace").click()
    assert captions() == [plain + " on a table"] + [plain] * 4
    reviewed.find_element(By.ID, "close-captions").click()
    assert "você mudou 1" in reviewed.find_element(By.ID, "counts").text
    # the cards are drawn anew when the dialog has closed
    WebDriverWait(reviewed, 10).until(lambda _: plain + " on a table" in each(reviewed, "textarea.caption", "element.value"))


def test_five_thousand_images_are_looked_through_as_easily(reviewed: webdriver.Chrome, curated: Path) -> None:
    page = review_of(curated)
    text = page.read_text(encoding="utf-8")
    start = text.index('id="data">') + len('id="data">')
    data = json.loads(text[start : text.index("</script>", start)])
    cards = [card | {"image": f"{number:016x}", "same_as": ""} for number, card in enumerate(data["cards"] * 800)][:5000]
    written = json.dumps(data | {"cards": cards, "read": len(cards)}).replace("<", "\\u003c")
    (page.parent / "many.html").write_text(text[:start] + written + text[text.index("</script>", start) :], encoding="utf-8")
    open_page(reviewed, page.parent / "many.html")
    read_in(reviewed, "pt")
    assert len(texts(reviewed)) <= 180  # and more as one scrolls
    reviewed.execute_script("show(arguments[0])", f"{4000:016x}")
    assert reviewed.execute_script("return document.activeElement.id") == f"{4000:016x}"
    reviewed.find_element(By.CSS_SELECTOR, "[data-bulk=drop]").click()
    assert "De 5000 lidas, ficam 0 e saem 5000" in reviewed.find_element(By.ID, "counts").text
    reviewed.execute_script("document.querySelector(\"[data-bulk='']\").click(); localStorage.clear()")


@pytest.fixture(scope="module")
def web_ui(folder: Path) -> Iterator[str]:
    port = free_port()
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
    shows(browser, group, "raw_crawl", "curated_set", "checkpoint", "sample_gallery", "evaluation", "gallery_site")
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
    shows(browser, f"{web_ui}/assets/evaluation?view=partitions&partition=chimarrao", "verdict", "clip_i_tuned", "clip_t_interval_low")
    keep_screenshot(browser, "evaluation")
