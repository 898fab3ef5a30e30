from pathlib import Path

import numpy as np
import pytest

from vestibule_models.artifact import ArtifactError
from vestibule_models.augment import augment, cover_of, place
from vestibule_models.dataset import INPUT, assign_folds, read_photos, read_sprites
from vestibule_models.labels import LABELS

HEADER = ",".join(["file", "source", "split", "group", *LABELS])


def write_manifest(folder: Path, *rows: str) -> None:
    (folder / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


def test_a_blank_label_is_unknown_not_absent(tmp_path: Path) -> None:
    write_manifest(tmp_path, "a.jpg,ccp,train,g1,1,,0" + ",0" * 12)
    (example,) = read_photos(tmp_path)
    assert example.targets[:3].tolist() == [1, 0, 0]
    assert example.known[:3].tolist() == [1, 0, 1]
    assert example.path == tmp_path / "photos" / "a.jpg"


def test_an_outline_is_found_by_the_photos_name(tmp_path: Path) -> None:
    write_manifest(tmp_path, "a.jpg,ccp,train,g1" + ",0" * 15, "b.jpg,ccp,train,g2" + ",0" * 15)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").touch()
    assert [example.outline for example in read_photos(tmp_path)] == [tmp_path / "masks" / "a.png", None]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,source\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"lacks the columns \['split', 'group'"):
        read_photos(tmp_path)


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read"):
        read_photos(tmp_path / "nowhere")


def test_what_an_avatar_wears_counts_for_each_of_its_sprites(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(
        "file,avatar,pitch_deg,heading_deg,recoloured,split\nA/0.png,A,10,0,0,train\nA/1.png,A,10,9,1,train\n",
        encoding="utf-8",
    )
    garments = tmp_path / "garments.csv"
    garments.write_text("file,seen,unknown\nA.glb,Tee Jeans,Top\n", encoding="utf-8")
    first, second = read_sprites(tmp_path, garments)
    worn = {label for label, target in zip(LABELS, first.targets, strict=True) if target}
    assert worn == {"Tee", "Jeans"}
    assert first.known[LABELS.index("Top")] == 0
    assert first.known.sum() == 14
    assert (first.group, first.split, first.recoloured, second.recoloured) == ("A", "train", False, True)


def test_an_avatar_without_garments_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,avatar,recoloured,split\nB/0.png,B,0,train\n", encoding="utf-8")
    garments = tmp_path / "garments.csv"
    garments.write_text("file,seen,unknown\nA.glb,Tee,\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="avatar B"):
        read_sprites(tmp_path, garments)


def test_groups_stay_in_one_fold_and_folds_are_repeatable(tmp_path: Path) -> None:
    write_manifest(tmp_path, *[f"{i}.jpg,ccp,train,g{i // 2}" + ",0" * 15 for i in range(60)])
    examples = read_photos(tmp_path)
    folds = assign_folds(examples, 3, seed=5)
    assert np.array_equal(folds[::2], folds[1::2])
    assert np.bincount(folds).tolist() == [20, 20, 20]
    assert np.array_equal(folds, assign_folds(examples, 3, seed=5))
    assert not np.array_equal(folds, assign_folds(examples, 3, seed=6))


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", ""])
def test_a_table_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    write_manifest(tmp_path, f"{name},ccp,train,g" + ",0" * 15)
    with pytest.raises(ArtifactError, match="leads out of"):
        read_photos(tmp_path)
    (tmp_path / "index.csv").write_text(f"file,avatar,recoloured,split\n{name},A,0,train\n", encoding="utf-8")
    garments = tmp_path / "garments.csv"
    garments.write_text("file,seen,unknown\nA.glb,Tee,\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="leads out of"):
        read_sprites(tmp_path, garments)


def test_augmentation_changes_the_picture_but_repeats_with_the_same_chances() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 90, 3)).astype(np.uint8)
    before = picture.copy()
    seen = [augment(picture, np.random.default_rng(seed), INPUT) for seed in range(30)]
    assert {image.shape for image in seen} == {(288, 144, 3)}
    assert {image.dtype for image in seen} == {np.dtype(np.uint8)}
    assert len({image.tobytes() for image in seen}) == 30
    assert np.array_equal(augment(picture, np.random.default_rng(3), INPUT), seen[3])
    assert np.array_equal(picture, before)


def test_a_rendered_person_is_put_before_a_background() -> None:
    sprite = np.zeros((100, 40, 4), np.uint8)
    sprite[30:70, 10:30] = (250, 0, 250, 255)
    room = place(sprite, np.random.default_rng(1))
    person = (room == (250, 0, 250)).all(axis=2)
    assert person.sum() == 40 * 20
    assert room.shape[2] == 3
    assert room.shape[0] > 100


def test_the_outline_covers_the_person_and_not_the_background() -> None:
    picture = np.full((40, 20, 3), 90, np.uint8)
    outline = np.zeros((40, 20), np.uint8)
    outline[10:30, 5:15] = 3
    cover = cover_of(picture, outline)[:, :, 3]
    assert cover[20, 10] == 255
    assert cover[2, 2] == 0


def test_a_white_background_is_no_cover_but_white_clothes_are() -> None:
    picture = np.full((40, 20, 3), 252, np.uint8)
    picture[10:30, 5:15] = (200, 30, 30)
    picture[18:22, 8:12] = 252
    cover = cover_of(picture, None)[:, :, 3]
    assert cover[2, 2] == cover[35, 18] == 0
    assert cover[20, 10] == 255


def test_a_photo_with_a_background_of_its_own_stays_as_it_is() -> None:
    picture = np.full((40, 20, 3), 252, np.uint8)
    picture[0, 0] = 40
    assert cover_of(picture, None) is picture
