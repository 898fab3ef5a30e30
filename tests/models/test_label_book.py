"""Answers survive whatever happens, and come back as they were given."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.artifact import ArtifactError, Thresholds
from vestibule_models.dataset import read_photos
from vestibule_models.label_book import Answer, Book, Origin, prefilled, split_of
from vestibule_models.labels import LABELS

ORIGIN = Origin(source="shop", licence='own, "not" for others')
NOTHING: Answer = (None,) * 15
TEE: Answer = tuple(label == "Tee" for label in LABELS)
FILES = ["a.png", "b.png", "c.png", "sub/d.png"]


def book(folder: Path, files: list[str] = FILES) -> Book:
    pictures = folder / "pictures"
    for file in files:
        (pictures / file).parent.mkdir(parents=True, exist_ok=True)
        (pictures / file).write_bytes(file.encode())
    return Book(pictures, files, folder / "out", ORIGIN)


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "out" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 15), min_size=4, max_size=4))
def test_answers_come_back_as_given(tmp_path_factory: pytest.TempPathFactory, answers: list[Answer]) -> None:
    folder = tmp_path_factory.mktemp("book")
    first = book(folder)
    for index, answer in enumerate(answers):
        first.save(index, answer, same_person=False)
    again = book(folder)
    assert [again.answer_of(index) for index in range(4)] == answers
    for example, answer, file in zip(read_photos(folder / "out"), answers, FILES, strict=True):
        assert example.path.read_bytes() == file.encode()
        assert [bool(t) if k else None for t, k in zip(example.targets, example.known, strict=True)] == list(answer)
        assert (example.source, example.group) == ("shop", f"shop/{file}")


def test_an_answer_is_on_the_disk_when_save_returns(tmp_path: Path) -> None:
    kept = book(tmp_path)
    assert rows(tmp_path) == {}
    kept.save(1, TEE, same_person=False)
    row = rows(tmp_path)["b.png"]
    assert (row["Tee"], row["Dress"], row["kind"], row["label_by"]) == ("1", "0", "worn", "eye")
    assert row["licence"] == ORIGIN.licence
    assert [kept.answered(), kept.next_open(1), kept.next_open(0)] == [1, 2, 0]


def test_a_failed_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = book(tmp_path)
    kept.save(0, TEE, same_person=False)
    before = (tmp_path / "out" / "manifest.csv").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            kept.save(1, TEE, same_person=True)
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == before
    assert kept.answer_of(1) is None
    kept.save(1, NOTHING, same_person=False)
    assert set(rows(tmp_path)) == {"a.png", "b.png"}


def test_all_unknown_is_an_answer_too(tmp_path: Path) -> None:
    kept = book(tmp_path)
    kept.save(0, NOTHING, same_person=False)
    assert kept.answer_of(0) == NOTHING
    assert kept.next_open(0) == 1
    (example,) = read_photos(tmp_path / "out")
    assert not example.known.any()


def test_pictures_of_one_person_share_group_and_split_whatever_changes(tmp_path: Path) -> None:
    kept = book(tmp_path)
    for index in range(4):
        kept.save(index, TEE, same_person=index in (2, 3))
    groups = {file: row["group"] for file, row in rows(tmp_path).items()}
    assert groups == {"a.png": "shop/a.png", **dict.fromkeys(["b.png", "c.png", "sub/d.png"], "shop/b.png")}
    assert [kept.is_same_person(index) for index in range(4)] == [False, False, True, True]
    kept.save(1, NOTHING, same_person=True)  # b is a after all: c and d follow
    found = rows(tmp_path)
    assert {row["group"] for row in found.values()} == {"shop/a.png"}
    assert {row["split"] for row in found.values()} == {split_of("shop/a.png")}
    kept.save(2, TEE, same_person=False)  # c is not: d follows c
    groups = {file: row["group"] for file, row in rows(tmp_path).items()}
    assert groups == {
        **dict.fromkeys(["a.png", "b.png"], "shop/a.png"),
        **dict.fromkeys(["c.png", "sub/d.png"], "shop/c.png"),
    }
    assert [book(tmp_path).is_same_person(index) for index in range(4)] == [False, True, False, True]


def test_splits_depend_on_the_group_alone_and_have_their_shares() -> None:
    found = Counter(split_of(f"shop/{number}.jpg") for number in range(4000))
    assert found["train"] / 4000 == pytest.approx(0.7, abs=0.03)
    assert found["val"] / 4000 == pytest.approx(0.15, abs=0.03)
    # Written down: a new way to split would mix what earlier runs kept apart.
    assert [split_of(f"shop/{name}.png") for name in "abcdefgh"] == [
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "train",
        "test",
    ]


def test_pictures_that_lie_in_photos_are_left_where_they_are(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(b"a")
    before = (photos / "a.png").stat()
    Book(photos, ["a.png"], tmp_path, ORIGIN).save(0, TEE, same_person=False)
    assert (photos / "a.png").stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in photos.iterdir()) == ["a.png"]


def test_what_a_manifest_holds_besides_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    header = ["file", "tags", "source", "split", "group", *LABELS]
    old = ["elsewhere.jpg", "hat, scarf", "other", "test", "g7", *["1"] * 15]
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, old])
    book(tmp_path).save(0, TEE, same_person=False)
    found = rows(tmp_path)
    assert (found["elsewhere.jpg"]["tags"], found["elsewhere.jpg"]["Dress"]) == ("hat, scarf", "1")
    assert found["a.png"]["Tee"] == "1"


def test_a_manifest_of_another_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.csv").write_text("name,price\nshirt,20\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"lacks the columns \['file', 'source'"):
        book(tmp_path)
    assert (out / "manifest.csv").read_text(encoding="utf-8").startswith("name,price")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"cannot (be )?(write|read)"):
        book(tmp_path)


def test_the_model_s_answer_is_unknown_where_it_is_in_doubt() -> None:
    thresholds = {label: Thresholds(positives=30, likely=0.7, certain=0.9) for label in LABELS}
    thresholds[LABELS[3]] = Thresholds(positives=3, likely=None, certain=None)
    thresholds[LABELS[4]] = Thresholds(positives=30, likely=0.1, certain=None)
    probs = dict.fromkeys(LABELS, 0.0) | dict(zip(LABELS, [0.7, 0.69, 0.14, 0.5, 0.1, 0.09], strict=False))
    assert prefilled(probs, thresholds)[:6] == (True, None, False, True, True, False)
    assert prefilled(dict.fromkeys(LABELS, 0.15), thresholds)[0] is None
