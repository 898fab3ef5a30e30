"""Frames composed of photos, cut-outs and drawn places; and where these come from."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.persons_compose import IGNORE, MOST_TARGETS, PERSON, FrameSize, compose
from vestibule_models.persons_decode import overlaps
from vestibule_models.persons_places import draw_place
from vestibule_models.persons_sources import Photo, Sources, find_places, load_cutouts, load_photos, load_sprites

SIZE = FrameSize(height=96, width=160, pad_value=114)
MARK = (255, 0, 255)
"""The colour of people here, which no place has."""


def person(height: int = 120, width: int = 40) -> np.ndarray:
    cutout = np.zeros((height, width, 4), np.uint8)
    cutout[..., :3] = MARK
    cutout[..., 3] = 255
    return cutout


@pytest.fixture
def sources() -> Sources:
    image = np.full((200, 300, 3), 90, np.uint8)
    image[40:160, 100:140] = MARK
    photo = Photo(
        name="a",
        source="coco-people",
        image=image,
        people=np.array([[100, 40, 140, 160]], np.float32),
        ignore=np.array([[200, 40, 210, 60]], np.float32),
    )
    grey = np.full((120, 200, 3), 100, np.uint8)
    return Sources(photos=[photo], cutouts=[person()], sprites=[person(90, 30)], places=[grey], things=[grey])


def frames(sources: Sources, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [compose(sources, SIZE, np.random.default_rng([7, number])) for number in range(count)]


def test_the_same_stream_gives_the_same_frame(sources: Sources) -> None:
    one, again = frames(sources, 5), frames(sources, 5)
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(one, again, strict=True))
    assert not (one[0][0] == one[1][0]).all()


def test_boxes_lie_in_the_frame_and_have_a_size(sources: Sources) -> None:
    kinds = set()
    for image, targets in frames(sources, 200):
        assert image.shape == (96, 160, 3)
        assert image.dtype == np.uint8
        assert targets.shape == (MOST_TARGETS, 5)
        real = targets[targets[:, 4] != 0]
        kinds |= set(real[:, 4].tolist())
        assert (real[:, :4] >= 0).all()
        assert (real[:, 2:4] <= [160, 96]).all()
        assert (real[:, 2:4] > real[:, :2]).all()
    assert kinds == {PERSON, IGNORE}


def test_boxes_lie_where_the_people_are(sources: Sources) -> None:
    """Magenta is nearly always somebody; light and compression change it, so only clear pictures are
    looked at; slivers of a second person, which have no box, spoil a few."""
    agree, looked_at = 0, 0
    for image, targets in frames(sources, 300):
        red, green, blue = (image[..., channel].astype(int) for channel in range(3))
        marked = (red > 120) & (blue > 120) & (green < 60)
        people = targets[targets[:, 4] == PERSON, :4]
        if len(people) != 1 or marked.sum() < 150 or (targets[:, 4] == IGNORE).any():
            continue
        rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        looked_at += 1
        agree += int(overlaps(seen, people)[0] > 0.5)
    assert looked_at >= 10
    assert agree >= 0.85 * looked_at


def test_some_frames_show_nobody_and_some_fill_the_frame(sources: Sources) -> None:
    tallest = [max((t[3] - t[1] for t in targets if t[4] == PERSON), default=0) for _, targets in frames(sources, 200)]
    assert any(height == 0 for height in tallest)
    assert any(height >= 90 for height in tallest)
    assert any(0 < height < 40 for height in tallest)


def test_it_works_without_rendered_people_and_without_places(sources: Sources) -> None:
    bare = Sources(photos=sources.photos, cutouts=sources.cutouts, sprites=[], places=[], things=sources.things)
    assert sum((targets[:, 4] == PERSON).sum() for _, targets in frames(bare, 30)) > 10


def test_drawn_places_have_any_size_and_differ() -> None:
    places = [draw_place(np.random.default_rng(seed), 40, 70) for seed in range(30)]
    assert {place.shape for place in places} == {(40, 70, 3)}
    assert len({place.tobytes() for place in places}) == 30


def test_windows_without_people_miss_everybody(sources: Sources) -> None:
    places = [place for seed in range(30) for place in find_places(sources.photos, np.random.default_rng(seed))]
    assert places
    assert not any((place == MARK).all(axis=2).any() for place in places)


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_photos_are_read_with_crowds_and_specks_set_apart(tmp_path: Path) -> None:
    names = {"a.jpg": "train", "b.jpg": "test"}
    write_rows(tmp_path / "photos.csv", [{"file": n, "source": "ccp", "split": s} for n, s in names.items()])
    rows = [{"file": "a.jpg", "x0": 0, "y0": 0, "x1": 90, "y1": 90}]
    rows += [{"file": "a.jpg", "x0": 10 * n, "y0": 5, "x1": 10 * n + 8, "y1": 40} for n in range(5)]
    rows += [{"file": "a.jpg", "x0": 95, "y0": 95, "x1": 96, "y1": 96}]
    write_rows(tmp_path / "boxes.csv", rows)
    (tmp_path / "photos").mkdir()
    for name in names:
        cv2.imwrite(str(tmp_path / "photos" / name), np.zeros((100, 100, 3), np.uint8))
    (photo,) = load_photos(tmp_path, "train")
    assert len(photo.people) == 5
    assert photo.ignore.tolist() == [[0, 0, 90, 90], [95, 95, 96, 96]]
    assert len(load_photos(tmp_path, "test")[0].people) == 0


def test_a_missing_photo_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "photos.csv", [{"file": "gone.jpg", "source": "ccp", "split": "train"}])
    write_rows(tmp_path / "boxes.csv", [{"file": "gone.jpg", "x0": 0, "y0": 0, "x1": 1, "y1": 1}])
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        load_photos(tmp_path, "train")


def test_cutouts_are_trimmed_to_their_outline(tmp_path: Path) -> None:
    write_rows(tmp_path / "manifest.csv", [{"file": "a.jpg", "split": "train"}, {"file": "b.jpg", "split": "train"}])
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((100, 80), np.uint8)
    mask[20:60, 30:50] = 41
    cv2.imwrite(str(tmp_path / "photos" / "a.jpg"), np.zeros((100, 80, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), mask)
    (cutout,) = load_cutouts(tmp_path, "train")
    assert cutout.shape[2] == 4
    assert 38 <= cutout.shape[0] <= 40
    assert 18 <= cutout.shape[1] <= 20


def test_only_the_sprites_of_the_split_are_read_and_large_ones_shrink(tmp_path: Path) -> None:
    write_rows(tmp_path / "index.csv", [{"file": f"{s}.png", "split": s} for s in ("train", "val")])
    cv2.imwrite(str(tmp_path / "train.png"), person(640, 200))
    (sprite,) = load_sprites(tmp_path, "train")
    assert sprite.shape == (320, 100, 4)
