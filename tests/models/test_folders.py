from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.artifact import ArtifactError
from vestibule_models.folders import label_named, oddities, read_examples
from vestibule_models.labels import LABELS


def photo(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((12, 8, 3), value, np.uint8))
    return path


def worn(targets: np.ndarray) -> list[str]:
    return [str(label) for label, target in zip(LABELS, targets, strict=True) if target]


def test_the_papers_layout(tmp_path: Path) -> None:
    for number in range(40):
        photo(tmp_path / "Train" / "Dress" / f"{number}.jpg")
    photo(tmp_path / "Test" / "tee" / "x.PNG")
    examples = read_examples(tmp_path)
    splits = [example.split for example in examples]
    assert splits.count("test") == 1
    assert 0 < splits.count("val") < 15
    assert splits.count("train") + splits.count("val") == 40
    (test,) = [example for example in examples if example.split == "test"]
    assert worn(test.targets) == ["Tee"]
    assert test.known.all()
    assert test.source == tmp_path.name


def test_a_val_folder_leaves_train_whole(tmp_path: Path) -> None:
    for number in range(40):
        photo(tmp_path / "train" / "Dress" / f"{number}.jpg")
    photo(tmp_path / "Validation" / "Dress" / "x.jpg")
    splits = [example.split for example in read_examples(tmp_path)]
    assert (splits.count("train"), splits.count("val")) == (40, 1)


def test_plain_folders_are_split_by_name_and_repeat(tmp_path: Path) -> None:
    for label in ("Dress", "Jeans"):
        for number in range(60):
            photo(tmp_path / label / f"{number}.jpg")
    examples = read_examples(tmp_path)
    splits = [example.split for example in examples]
    assert splits.count("train") > 70
    assert min(splits.count("val"), splits.count("test")) > 3
    assert [example.split for example in read_examples(tmp_path)] == splits


def test_photos_of_one_product_stay_together(tmp_path: Path) -> None:
    for product in range(30):
        for number in range(3):
            photo(tmp_path / "Skirt" / f"item{product}" / f"{number}.jpg")
    examples = read_examples(tmp_path)
    assert len(examples) == 90
    by_group = {(example.group, example.split) for example in examples}
    assert len(by_group) == 30
    assert len({split for _, split in by_group}) > 1


def test_what_is_no_photo_is_left_alone(tmp_path: Path) -> None:
    photo(tmp_path / "Dress" / "a.jpg")
    photo(tmp_path / "Dress" / ".thumbs" / "a.jpg")
    (tmp_path / "Dress" / "notes.txt").write_text("hello", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / "readme.md").write_text("hello", encoding="utf-8")
    assert [example.path.name for example in read_examples(tmp_path)] == ["a.jpg"]


def test_the_manifest_goes_first(tmp_path: Path) -> None:
    photo(tmp_path / "Dress" / "a.jpg")
    header = ",".join(["file", "source", "split", "group", *LABELS])
    (tmp_path / "manifest.csv").write_text(f"{header}\nb.jpg,shop,val,b{',1' * 15}\n", encoding="utf-8")
    (example,) = read_examples(tmp_path)
    assert (example.path.name, example.source, example.split) == ("b.jpg", "shop", "val")


def test_a_folder_that_is_no_category_is_named(tmp_path: Path) -> None:
    photo(tmp_path / "Dress" / "a.jpg")
    photo(tmp_path / "Socks" / "a.jpg")
    with pytest.raises(ArtifactError, match=r"'Socks' is no category; rename or move it\. Known: Blazer, "):
        read_examples(tmp_path)


def test_class_folders_beside_split_folders_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "Train" / "Dress" / "a.jpg")
    photo(tmp_path / "Tee" / "a.jpg")
    with pytest.raises(ArtifactError, match=r"holds 'Tee' beside 'Train'"):
        read_examples(tmp_path)


@pytest.mark.parametrize("made", [[], ["Dress"], ["Train/Dress"]])
def test_nothing_to_read_is_one_clear_error(tmp_path: Path, made: list[str]) -> None:
    for name in made:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"has neither manifest\.csv nor photos in a folder per class"):
        read_examples(tmp_path)
    with pytest.raises(ArtifactError, match="is no folder"):
        read_examples(tmp_path / "nowhere")


def test_one_class_cannot_be_told_from_anything(tmp_path: Path) -> None:
    for number in range(20):
        photo(tmp_path / "Train" / "Dress" / f"{number}.jpg")
    with pytest.raises(ArtifactError, match="show 'Dress' only"):
        oddities(read_examples(tmp_path))


def test_classes_without_photos_are_named(tmp_path: Path) -> None:
    for label in LABELS[:-1]:
        for number in range(20):
            photo(tmp_path / "Train" / label / f"{number}.jpg")
    (tmp_path / "Train" / "Top").mkdir()
    assert oddities(read_examples(tmp_path)) == ["Top: no training photo shows it"]


def test_without_training_photos_nothing_is_learnt(tmp_path: Path) -> None:
    photo(tmp_path / "Test" / "Dress" / "a.jpg")
    with pytest.raises(ArtifactError, match="no photo is of split train"):
        oddities(read_examples(tmp_path))


@given(st.sampled_from(LABELS), st.sampled_from(["{}", " {}", "{}_", "-{}-"]), st.sampled_from([str.lower, str.upper]))
def test_names_are_matched_whatever_their_letters(label: str, form: str, case: type[str]) -> None:
    assert label_named(case(form.format(label))) == label


@pytest.mark.parametrize("name", ["", "Socks", "Dresses", "Tank top", "Te"])
def test_other_names_are_no_category(name: str) -> None:
    assert label_named(name) is None
