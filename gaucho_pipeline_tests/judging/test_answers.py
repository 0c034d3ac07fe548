"""Answers files: what people send back is judged before it is believed, and who counts is said by a rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline.errors import GauchoError
from gaucho_pipeline.judging.answers import MAX_BYTES, Answers, counted, read_answers, take_in
from gaucho_pipeline.judging.panel import judged_panel, write_panel
from gaucho_pipeline_tests.raters import KNOWN, answer, small_panel, write_answers

PANEL = small_panel()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_panel(tmp_path / "data", "araucaria", PANEL)
    return tmp_path / "data"


def test_a_file_is_taken_in_under_its_hash_and_names_its_concept(data: Path, tmp_path: Path) -> None:
    file = write_answers(tmp_path, answer(PANEL, 1))
    assert take_in(data, file) == "araucaria"
    assert take_in(data, file) == "araucaria"
    standing = judged_panel(data, "araucaria")
    assert standing
    assert len(standing.answers()) == 1


def test_a_concept_that_the_file_names_itself_is_not_believed(data: Path, tmp_path: Path) -> None:
    assert take_in(data, write_answers(tmp_path, answer(PANEL, 1), concept="../../etc")) == "araucaria"


PAIR, OTHER_PAIR = PANEL.pairs[0], PANEL.pairs[1]
HOSTILE: dict[str, dict[str, Any]] = {
    "another format": {"format": "gaucho-answers-2"},
    "a key too many": {"admin": True},
    "a panel that is no id": {"panel": "../../../etc/passwd"},
    "a panel that nobody drew": {"panel": "f" * 16},
    "a rater that is no id": {"rater": "<script>"},
    "a pair that was not asked": {"pairs": {"f" * 16: PAIR.pictures[0]}},
    "a picture that is not of the pair": {"pairs": {PAIR.id: next(p for p in OTHER_PAIR.pictures if p not in PAIR.pictures)}},
    "a picture that was not shown alone": {"singles": {"e" * 16: {"shows_it": True}}},
    "an attribute that there is not": {"singles": {PANEL.singles[0]: {"shows_it": True, "attributes": [7]}}},
    "a negative attribute": {"singles": {PANEL.singles[0]: {"shows_it": True, "attributes": [-1]}}},
    "a text for a yes": {"singles": {PANEL.singles[0]: {"shows_it": "yes"}}},
    "a remark without end": {"singles": {PANEL.singles[0]: {"shows_it": True, "wrong": "x" * 501}}},
    "a relation of one's own": {"relation": "its king"},
    "pairs that are a list": {"pairs": [1, 2]},
    "more pairs than any panel has": {"pairs": {f"{number:016x}": PAIR.pictures[0] for number in range(300)}},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_answers_file_of_a_panel_here_is_refused_in_one_line(changes: dict[str, Any], data: Path, tmp_path: Path) -> None:
    file = write_answers(tmp_path, answer(PANEL, 1), **changes)
    with pytest.raises(GauchoError) as caught:
        take_in(data, file)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert judged_panel(data, "araucaria") is None


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 200_000, b"null", b"{}", b'{"format": NaN}', b" " * (MAX_BYTES + 1)],
    ids=["empty", "no text", "a deep nest", "null", "an empty object", "no number", "too large"],
)  # fmt: skip
def test_so_is_what_is_no_json_of_that_kind(content: bytes, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_bytes(content)
    with pytest.raises(GauchoError, match="is no answers file"):
        take_in(data, file)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero"), lambda path: None])
def test_so_is_what_is_no_file(make: Any, data: Path, tmp_path: Path) -> None:
    make(tmp_path / "answers.json")
    with pytest.raises(GauchoError, match="no such file"):
        take_in(data, tmp_path / "answers.json")


def test_signs_that_do_not_show_are_taken_out_of_words(data: Path, tmp_path: Path) -> None:
    said = {PANEL.singles[0]: {"shows_it": True, "wrong": "o chapéu\u202e\n\tsem\x00 fita", "attributes": [0]}}
    take_in(data, write_answers(tmp_path, answer(PANEL, 1), singles=said))
    standing = judged_panel(data, "araucaria")
    assert standing
    assert read_answers(standing)[0].singles[PANEL.singles[0]].wrong == "o chapéu sem fita"


def test_of_one_person_the_file_counts_that_goes_furthest(data: Path, tmp_path: Path) -> None:
    for number, share in enumerate((0.5, 1.0, 0.7)):
        folder = tmp_path / str(number)
        folder.mkdir()
        take_in(data, write_answers(folder, answer(PANEL, 1, share=share)))
    standing = judged_panel(data, "araucaria")
    assert standing
    assert len(standing.answers()) == 3
    (only,) = read_answers(standing)
    assert only.count == len(PANEL.pairs) + len(PANEL.singles)


def guesser(number: int) -> Answers:
    return answer(PANEL, number, dict.fromkeys(KNOWN, 0.5))


def test_who_counts_is_said_by_a_rule() -> None:
    every = [answer(PANEL, 1), answer(PANEL, 2, relation="does_not_know_it"), answer(PANEL, 3, share=0.3)]
    every.append(answer(PANEL, 4, {**KNOWN, "control": 0.97, "real": 0.03}))
    stay, out = counted(PANEL, every)
    assert [each.rater for each in stay] == [every[0].rater]
    assert out == {"does_not_know": 1, "too_few_answers": 1, "failed_controls": 1}


def test_of_people_who_guess_about_one_in_nine_passes_the_controls() -> None:
    stay, _ = counted(PANEL, [guesser(number) for number in range(400)])
    assert 0.05 < len(stay) / 400 < 0.18


def test_one_slip_at_the_controls_is_forgiven_and_two_are_not() -> None:
    controls = [pair for pair in PANEL.pairs if pair.is_control]
    kind_of = {picture.id: picture.kind for picture in PANEL.pictures}

    def with_slips(count: int) -> Answers:
        whole = answer(PANEL, 1)
        wrong = {pair.id: next(p for p in pair.pictures if kind_of[p] == "control") for pair in controls[:count]}
        right = {pair.id: next(p for p in pair.pictures if kind_of[p] == "real") for pair in controls[count:]}
        return whole.model_copy(update={"pairs": whole.pairs | wrong | right})

    assert [len(counted(PANEL, [with_slips(count)])[0]) for count in (0, 1, 2)] == [1, 1, 0]


def test_a_damaged_answers_file_is_named(data: Path, tmp_path: Path) -> None:
    take_in(data, write_answers(tmp_path, answer(PANEL, 1)))
    standing = judged_panel(data, "araucaria")
    assert standing
    standing.answers()[0].write_text(json.dumps({"format": "x"}))
    with pytest.raises(GauchoError, match=standing.answers()[0].name):
        read_answers(standing)
