import base64
import re

import cv2
import numpy as np
import pytest

from vestibule_models.page import Section, Tile, markdown, picture, render


def test_names_cannot_become_markup() -> None:
    page = render(
        "<b>", "a & b", [Tile(label="<i>", figure="1", note="<u>")], [Section(heading="<s>", html="<p>x</p>")]
    )
    assert not {"<b>", "<i>", "<u>", "<s>"} & set(re.findall(r"<[bius]>", page.replace("<b>1</b>", "")))
    assert "<p>x</p>" in page


def test_a_picture_is_inside_the_page_and_keeps_its_colours() -> None:
    red = np.zeros((400, 100, 3), np.uint8)
    red[..., 0] = 250
    html = picture(red, height_px=200, caption="<b>x</b>")
    found = re.search(r"base64,([^\"]+)", html)
    assert found is not None
    image = cv2.imdecode(np.frombuffer(base64.b64decode(found[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (200, 50, 3)
    assert image[100, 25, 2] > 240  # OpenCV's red
    assert image[100, 25, 0] < 10


def test_tables_become_tables_and_markup_in_them_text() -> None:
    pytest.importorskip("markdown_it", reason="needs markdown-it-py (the extra `reports`)")
    html = markdown("| a | b |\n|---|---|\n| <script> | 2 |")
    assert "<td>2</td>" in html
    assert "<script>" not in html
