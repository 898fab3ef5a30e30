"""One HTML file that needs nothing beside it: figures in large, plots, tables, pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

_CSS = """
:root { --ink: #1f2733; --soft: #566073; --line: #e1e6ee; --blue: #2a5db0; --ground: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Roboto,
  "Liberation Sans", sans-serif; }
header { background: #16233b; color: #fff; padding: 2.2rem 0 4.2rem; }
header > div, main { max-width: 1080px; margin: 0 auto; padding: 0 1.5rem; }
header h1 { margin: 0 0 .3rem; font-size: 1.7rem; letter-spacing: -.01em; }
header p { margin: 0; color: #c4cfe2; max-width: 75ch; }
main { padding-bottom: 3rem; margin-top: -2.8rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .9rem; }
.tile, section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  box-shadow: 0 1px 3px rgb(22 35 59 / 7%); }
.tile { padding: .9rem 1.1rem; }
.tile b { display: block; font-size: 1.75rem; line-height: 1.2; color: var(--blue);
  font-variant-numeric: tabular-nums; }
.tile span { display: block; font-weight: 600; font-size: .88rem; }
.tile small { color: var(--soft); }
section { padding: 1.2rem 1.5rem 1.4rem; margin-top: 1.1rem; overflow-x: auto; }
h2 { font-size: 1.15rem; margin: 0 0 .7rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 85ch; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font-family: system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif !important; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
td { border-bottom: 1px solid var(--line); }
th, td { padding: .3rem .9rem .3rem 0; vertical-align: top; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .9rem; }
.sheet.wide { grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; background: #fbfcfd; }
figure img { display: block; width: 100%; height: 220px; object-fit: contain; background: #e9edf3; }
.sheet.wide img { height: auto; }
figcaption { padding: .5rem .6rem; font-size: .78rem; line-height: 1.4; }
figcaption code { color: var(--soft); font-size: .72rem; overflow-wrap: anywhere; }
.wrong { color: #b3361e; } .missed { color: #8a5a00; }
@page { size: A4; margin: 14mm 12mm; }
@media print {
  body { background: none; font-size: 10.5pt; }
  header { background: none; color: var(--ink); padding: 0 0 .9rem; }
  header p { color: var(--soft); }
  header > div, main { max-width: none; padding: 0 1px; }
  main { margin-top: 0; }
  .tiles { grid-template-columns: repeat(4, 1fr); }
  .tile, section { box-shadow: none; break-inside: avoid; }
  section { padding: .7rem 1rem; margin-top: .7rem; overflow: visible; }
  p { margin: .25rem 0 .5rem; line-height: 1.4; }
  th, td { padding-top: .14rem; padding-bottom: .14rem; }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure in large: what it is, the figure, and a note below; plain text."""

    label: str
    figure: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: plain heading, HTML below it."""

    heading: str
    html: str


def render(title: str, subtitle: str, tiles: Sequence[Tile], sections: Sequence[Section]) -> str:
    """Return the page."""
    boxes = "".join(
        f'<div class="tile"><span>{escape(tile.label)}</span><b>{escape(tile.figure)}</b>'
        f"<small>{escape(tile.note)}</small></div>"
        for tile in tiles
    )
    parts = "".join(f"<section><h2>{escape(each.heading)}</h2>{each.html}</section>" for each in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>"
        f"<header><div><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></div></header>"
        f'<main><div class="tiles">{boxes}</div>{parts}</main></body></html>\n'
    )


def markdown(text: str) -> str:
    """Return Markdown as HTML; HTML within it is shown as it is written."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - an extra

    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def picture(image: NDArray[np.uint8], *, height_px: int, caption: str) -> str:
    """Return a figure with the picture inside the page.

    Args:
        image: uint8 (H, W, 3) RGB; shrunk to `height_px` where it is taller.
        height_px: at most.
        caption: HTML.
    """
    if image.shape[0] > height_px:
        size = (max(1, round(image.shape[1] * height_px / image.shape[0])), height_px)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    source = base64.b64encode(data.tobytes()).decode("ascii")
    return f'<figure><img alt="" src="data:image/jpeg;base64,{source}"><figcaption>{caption}</figcaption></figure>'


def sheet(pictures: Sequence[str], *, wide: bool = False) -> str:
    """Return figures as a sheet of many."""
    return f'<div class="sheet{" wide" if wide else ""}">{"".join(pictures)}</div>'
