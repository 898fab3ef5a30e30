"""Put a model folder into a running store's folder of models: checked, tried, and there as a whole or not at all."""

import argparse
import re
import shutil
from pathlib import Path

from vestibule_models.artifact import (
    MANIFEST,
    ArtifactError,
    DetectorManifest,
    GarmentManifest,
    load_manifest,
    model_folder,
    model_path,
)
from vestibule_models.install_trial import try_classifier, try_detector
from vestibule_models.staging import new_folder

CARD = "MODEL_CARD.md"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""Of a name or version that may be part of a folder's name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `install`."""
    parser.add_argument("model", help="model folder, or the name of a shipped model")
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="the store's folder of models")


def run(args: argparse.Namespace) -> int:
    """Check, try, copy, and say what to set."""
    source = model_folder(args.model)
    manifest = load_manifest(source)
    check(source, manifest)
    target = args.store.resolve() / f"{manifest.name}-{manifest.version}"
    if target.exists():
        if load_manifest(target) != manifest:
            raise ArtifactError(f"{target} holds another model of that name and version; raise the version and go on")
        check(target, manifest)
        print(f"{target}: there already, whole")  # noqa: T201 - the command's answer
    else:
        with new_folder(target) as folder:
            copy(source, manifest, folder)
            check(folder, manifest)
        print(f"{target}: installed")  # noqa: T201
    print(advice(target, manifest))  # noqa: T201
    return 0


def check(folder: Path, manifest: GarmentManifest | DetectorManifest) -> None:
    """Refuse what the daemon would refuse: check every file, load the network and run it once on a blank picture.

    Raises:
        ArtifactError: says what is wrong.
    """
    for what in (manifest.name, manifest.version):
        if not _SAFE.fullmatch(what):
            raise ArtifactError(
                f"model {folder}: {what!r} cannot be part of a folder's name; use letters, digits, ._+-"
            )
    for name in manifest.files:
        model_path(folder, manifest, name)
    if isinstance(manifest, GarmentManifest):
        try_classifier(folder, manifest)
    else:
        try_detector(folder, manifest)


def copy(source: Path, manifest: GarmentManifest | DetectorManifest, folder: Path) -> None:
    """Copy the manifest, what it lists, and the card if there is one."""
    names = [MANIFEST, *manifest.files, *([CARD] if (source / CARD).is_file() else [])]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)


def advice(folder: Path, manifest: GarmentManifest | DetectorManifest) -> str:
    """Return what is left to do."""
    section = "classifier" if isinstance(manifest, GarmentManifest) else "detector"
    lines = [
        "Set in vestibule.toml:",
        "",
        f"    [{section}]",
        f'    model = "{folder}"',
        "",
        "then try it with `vestibule check --config vestibule.toml`,",
        "and send the daemon SIGHUP, or restart the daemon: either loads the models anew.",
    ]
    if isinstance(manifest, GarmentManifest) and not any(name.endswith(".keras") for name in manifest.files):
        lines.append('It has no .keras file: set runtime = "litert" too where a GPU would be used.')
    return "\n".join(lines)
