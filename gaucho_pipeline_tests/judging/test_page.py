"""The page on which people judge, in a real Chromium: by keyboard, on a phone, in both languages, stopped and gone on with."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from gaucho_pipeline.judging.answers import check_answers, parse_answers
from gaucho_pipeline.judging.page import Subject, _words, render_page
from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline_tests.browsing import browser as browser
from gaucho_pipeline_tests.raters import small_panel
from gaucho_pipeline_tests.samples import train_image

PANEL = small_panel()
COUNT = len(PANEL.pairs) + len(PANEL.singles)
NAME = Bilingual(pt="Araucária", en="Paraná pine")


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (256, 256), (number * 7 % 256, 90, 120)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("judged") / "araucaria-judge.html"
    pictures = {picture.id: jpeg(number) for number, picture in enumerate(PANEL.pictures)}
    credited = [train_image(1, title="</script><script>alert(1)</script>", author="João"), train_image(2, title="Ao pôr do sol")]
    file.write_text(render_page(Subject("araucaria", NAME, False), PANEL, pictures, credited), encoding="utf-8")
    return file


@pytest.fixture
def opened(browser: webdriver.Chrome, page: Path) -> webdriver.Chrome:
    browser.set_window_size(1280, 900)
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get(page.as_uri())
    return browser


def shot(browser: webdriver.Chrome, name: str) -> None:
    if place := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(place) / f"{name}.png"))


def in_language(browser: webdriver.Chrome, language: str) -> None:
    if not (browser.find_element(By.TAG_NAME, "html").get_attribute("lang") or "").startswith(language):
        browser.find_element(By.ID, "language").click()


def begin(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, "input[value=knows_it]").click()
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def answer_single(browser: webdriver.Chrome, answer: str = "yes") -> None:
    browser.find_element(By.CSS_SELECTOR, f"input[name=shows][value={answer}]").click()
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def answered(browser: webdriver.Chrome) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(browser.execute_script(f"return localStorage.getItem('gaucho-judge-{PANEL.id}')"))
    return found


def test_a_person_answers_all_by_keyboard_and_ends_with_a_file_that_is_taken_in(opened: webdriver.Chrome) -> None:
    begin(opened)
    for _ in PANEL.singles:
        opened.find_element(By.CSS_SELECTOR, "input[name=shows]").send_keys(Keys.SPACE)
        box = opened.find_element(By.CSS_SELECTOR, "input[name=attribute]")
        box.send_keys(Keys.SPACE)
        box.send_keys(Keys.ENTER)
    for number in range(len(PANEL.pairs)):
        ActionChains(opened).send_keys(Keys.ARROW_LEFT if number % 2 else Keys.ARROW_RIGHT).perform()
    shot(opened, "judge-end")
    text = opened.find_element(By.ID, "text").get_attribute("value") or ""
    answers = parse_answers(text.encode(), "answers.json")
    check_answers(answers, PANEL, "answers.json")
    assert answers.count == COUNT
    assert all(single.shows_it for single in answers.singles.values())
    assert all(single.attributes == (0,) for single in answers.singles.values())
    link = opened.find_element(By.ID, "save")
    assert (link.get_attribute("href") or "").startswith("blob:")
    assert link.get_attribute("download") == f"araucaria-{answers.rater[:6]}.json"


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_screen_fits_and_keeps_nobody_out(opened: webdriver.Chrome, width: int, language: str) -> None:
    opened.set_window_size(width, 900)

    def look(name: str) -> None:
        shot(opened, f"judge-{name}-{language}-{width}")
        assert opened.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        found = Axe().run(opened)["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []

    in_language(opened, language)
    look("intro")
    begin(opened)
    look("single")
    for _ in PANEL.singles:
        answer_single(opened)
    look("pair")
    opened.find_element(By.CSS_SELECTOR, "button.end").click()
    look("end")


def test_one_language_is_shown_at_a_time_and_a_change_loses_no_place(opened: webdriver.Chrome) -> None:
    in_language(opened, "pt")
    begin(opened)
    answer_single(opened)
    before = opened.find_element(By.CSS_SELECTOR, ".one img").get_attribute("src")
    assert "Esta imagem mostra Araucária?" in opened.find_element(By.TAG_NAME, "main").text
    in_language(opened, "en")
    text = opened.find_element(By.TAG_NAME, "main").text
    assert "Does this picture show Paraná pine?" in text
    assert "imagem" not in text.lower()
    assert "a bare trunk" in text
    assert opened.find_element(By.CSS_SELECTOR, ".one img").get_attribute("src") == before


def test_who_stops_goes_on_where_they_were_in_the_same_order(opened: webdriver.Chrome, page: Path) -> None:
    begin(opened)
    for _ in range(3):
        answer_single(opened, "no")
    waiting = opened.find_element(By.CSS_SELECTOR, ".one img").get_attribute("src")
    opened.get(page.as_uri())
    opened.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    assert opened.find_element(By.CSS_SELECTOR, ".one img").get_attribute("src") == waiting
    assert len(answered(opened)["singles"]) == 3


def test_each_person_has_an_order_of_their_own(opened: webdriver.Chrome, page: Path) -> None:
    orders = set()
    for _ in range(4):
        opened.execute_script("localStorage.clear()")
        opened.get(page.as_uri())
        begin(opened)
        orders.add(tuple(opened.execute_script("return questions().filter(each => each.kind === 'single').map(each => each.picture)")))
    assert len(orders) == 4
    assert {frozenset(order) for order in orders} == {frozenset(PANEL.singles)}


def test_without_an_answer_it_goes_no_further_and_says_why(opened: webdriver.Chrome) -> None:
    in_language(opened, "pt")
    opened.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    assert opened.find_element(By.CSS_SELECTOR, ".warn").text == _words("pt")["choose_relation"]
    begin(opened)
    opened.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    assert opened.find_element(By.CSS_SELECTOR, ".warn").text == _words("pt")["choose_answer"]


def test_an_answer_can_be_changed_by_going_back(opened: webdriver.Chrome) -> None:
    begin(opened)
    answer_single(opened, "no")
    opened.find_element(By.ID, "back").click()
    assert opened.find_element(By.CSS_SELECTOR, "input[value=no]").is_selected()
    answer_single(opened, "yes")
    assert [each["shows_it"] for each in answered(opened)["singles"].values()] == [True]  # type: ignore[index]


def test_credits_are_hidden_while_pictures_are_judged_and_are_no_markup(opened: webdriver.Chrome) -> None:
    assert "alert(1)" in opened.find_element(By.ID, "credits").text
    begin(opened)
    assert not opened.find_element(By.ID, "credits").is_displayed()


def test_nothing_is_asked_of_any_host(opened: webdriver.Chrome) -> None:
    begin(opened)
    answer_single(opened)
    requested = opened.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [each for each in requested if not each.startswith(("data:", "blob:"))] == []
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_both_languages_have_every_text_with_the_same_placeholders() -> None:
    import re

    pt, en = _words("pt"), _words("en")
    assert set(pt) == set(en)
    assert all(set(re.findall(r"\{\w+\}", pt[key])) == set(re.findall(r"\{\w+\}", en[key])) for key in pt)
