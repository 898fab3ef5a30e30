"""Downloads a public model that the project does not ship, and writes the manifest that makes it a model folder."""

import argparse
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from vestibule_models.artifact import ArtifactError, DetectorManifest, InputSpec, ModelFile, save_manifest

_TIMEOUT_S = 20.0
"""Without a byte; a slow connection may take as long as it needs."""
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that may be fetched, and what it turns out to be.

    Attributes:
        url: of the file.
        file: its name in the model folder.
        sha256: of exactly the file that was tried.
        most_bytes: a longer answer is not this file.
        manifest: of the folder, but for the files.
    """

    url: str
    file: str
    sha256: str
    most_bytes: int
    manifest: dict[str, object]


DOWNLOADS = {
    "person-yolox-nano": Download(
        url="https://raw.githubusercontent.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample/main/model/yolox_nano.onnx",
        file="yolox_nano.onnx",
        sha256="695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        most_bytes=8 << 20,
        manifest={
            "schema_version": 1,
            "name": "person-yolox-nano",
            "version": "0.1.1",
            "kind": "person-detector",
            "input": InputSpec(
                height=416, width=416, colour="bgr", dtype="float32", layout="nchw", resize="letterbox-top-left"
            ),
            "decoder": "yolox",
            "classes": 80,
            "person_class": 0,
            "score_threshold": 0.3,
            "provenance": {
                "source": "https://github.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample",
                "licence": "Apache-2.0, Copyright (c) 2021-2022 Megvii Inc. (YOLOX)",
            },
        },
    )
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vestibule-models fetch`."""
    parser.add_argument("name", choices=sorted(DOWNLOADS), help="the model")
    parser.add_argument("--out", type=Path, help="folder to make (default: ./NAME)")
    parser.add_argument("--url", help="another address of the very same file, such as a mirror's")


def run(args: argparse.Namespace) -> int:
    """Fetch one model and say how to use it."""
    folder = args.out or Path(args.name)
    path = fetch(DOWNLOADS[args.name], folder, url=args.url)
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 as pinned")  # noqa: T201 - a command's answer
    print(f'use it: [detector] model = "{folder}"')  # noqa: T201
    return 0


def fetch(download: Download, folder: Path, *, url: str | None = None, timeout_s: float = _TIMEOUT_S) -> Path:
    """Download a file, check it, and only then put it and its manifest into the folder.

    Args:
        download: what.
        folder: made if need be; files of earlier downloads in it are replaced.
        url: instead of the download's own.
        timeout_s: seconds without a byte after which it gives up.

    Returns:
        The file's path.

    Raises:
        ArtifactError: the address is no http(s) one, nothing answers, it breaks off, or it is another file.
        OSError: the folder cannot be written.
    """
    address = url or download.url
    if urlsplit(address).scheme not in ("http", "https"):
        raise ArtifactError(f"cannot fetch {address}: an address that starts with https:// or http:// is wanted")
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{download.file}.", dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            size, digest = _receive(address, download.most_bytes, timeout_s, file)
        if digest != download.sha256:
            raise ArtifactError(
                f"{address} sent another file than the pinned one: SHA-256 {digest[:12]}..., wanted "
                f"{download.sha256[:12]}...; nothing was kept; name a mirror with --url"
            )
        temporary.chmod(0o644)
        path = temporary.replace(folder / download.file)
    finally:
        temporary.unlink(missing_ok=True)
    files = {download.file: ModelFile(sha256=digest, bytes=size)}
    save_manifest(folder, DetectorManifest.model_validate({**download.manifest, "files": files}))
    return path


def _receive(address: str, most_bytes: int, timeout_s: float, file: BinaryIO) -> tuple[int, str]:
    """Write what the address sends; return its length in bytes and its SHA-256."""
    size, digest = 0, hashlib.sha256()
    try:
        with urllib.request.urlopen(address, timeout=timeout_s) as answer:  # noqa: S310 - the scheme was checked
            while chunk := answer.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > most_bytes:
                    raise ArtifactError(f"{address} sends more than {most_bytes} bytes: not the pinned file")
                digest.update(chunk)
                file.write(chunk)
            if answer.length:
                raise ArtifactError(f"{address} broke off after {size} bytes; try again")
    except urllib.error.HTTPError as error:
        raise ArtifactError(f"{address} answered {error.code} {error.reason}; name a mirror with --url") from error
    except urllib.error.URLError as error:
        raise ArtifactError(f"cannot reach {address} ({error.reason}); is there a network?") from error
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise ArtifactError(f"{address} broke off after {size} bytes ({type(error).__name__}); try again") from error
    return size, digest.hexdigest()
