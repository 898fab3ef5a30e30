"""Fetching a public model, from a local server."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vestibule_models.__main__ import main
from vestibule_models.artifact import ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.fetch import DOWNLOADS, Download, fetch

DATA = bytes(range(256)) * 1000


class _Handler(BaseHTTPRequestHandler):
    release: threading.Event

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        if self.path == "/good":
            self.wfile.write(DATA)
        elif self.path == "/other":
            self.wfile.write(DATA[::-1])
        elif self.path == "/short":
            self.wfile.write(DATA[:1000])
        elif self.path == "/stalls":
            self.wfile.write(DATA[:1000])
            self.release.wait(10)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.release = threading.Event()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    _Handler.release.set()
    http.shutdown()
    thread.join(10)
    http.server_close()
    assert not thread.is_alive()


@pytest.fixture
def wanted() -> Download:
    nano = DOWNLOADS["person-yolox-nano"]
    return replace(nano, sha256=hashlib.sha256(DATA).hexdigest(), most_bytes=len(DATA))


def test_what_is_pinned_is_kept_and_becomes_a_model_folder(server: str, wanted: Download, tmp_path: Path) -> None:
    path = fetch(wanted, tmp_path / "a" / "nano", url=f"{server}/good")
    assert path.read_bytes() == DATA
    manifest = load_manifest(path.parent)
    assert isinstance(manifest, DetectorManifest)
    assert model_path(path.parent, manifest, ".onnx") == path
    assert sorted(file.name for file in path.parent.iterdir()) == ["manifest.json", "yolox_nano.onnx"]


def test_fetching_again_replaces_a_damaged_file(server: str, wanted: Download, tmp_path: Path) -> None:
    (tmp_path / "yolox_nano.onnx").write_bytes(b"damaged")
    assert fetch(wanted, tmp_path, url=f"{server}/good").read_bytes() == DATA


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other", "another file than the pinned one"),
        ("missing", "answered 404"),
        ("short", "broke off after 1000 bytes"),
        ("stalls", "broke off after"),
    ],
)
def test_nothing_is_kept_of_what_is_not_it(
    server: str, wanted: Download, tmp_path: Path, path: str, message: str
) -> None:
    (tmp_path / "yolox_nano.onnx").write_bytes(b"from before")
    with pytest.raises(ArtifactError, match=message):
        fetch(wanted, tmp_path, url=f"{server}/{path}", timeout_s=0.5)
    assert [file.name for file in tmp_path.iterdir()] == ["yolox_nano.onnx"]
    assert (tmp_path / "yolox_nano.onnx").read_bytes() == b"from before"


def test_a_file_that_is_too_long_is_not_read_to_its_end(server: str, wanted: Download, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="more than 100000 bytes"):
        fetch(replace(wanted, most_bytes=100_000), tmp_path, url=f"{server}/good")
    assert not list(tmp_path.iterdir())


def test_no_network_is_one_clear_line(wanted: Download, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot reach http://127.0.0.1:1/x .*is there a network"):
        fetch(wanted, tmp_path, url="http://127.0.0.1:1/x", timeout_s=2)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "yolox_nano.onnx"])
def test_only_the_web_is_fetched_from(wanted: Download, tmp_path: Path, url: str) -> None:
    with pytest.raises(ArtifactError, match="https://"):
        fetch(wanted, tmp_path, url=url)
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_what_went_wrong(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["fetch", "person-yolox-nano", "--out", str(tmp_path / "nano"), "--url", f"{server}/other"])
    assert code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "695e750a5d57" in lines[0]


def test_the_command_line_does_not_hide_a_full_or_forbidden_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["fetch", "person-yolox-nano", "--out", str(tmp_path / "file" / "nano")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err
