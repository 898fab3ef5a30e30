"""Which files of a folder are pictures."""

from pathlib import Path

from vestibule_models.artifact import ArtifactError
from vestibule_models.pictures import SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder and below it, by name; what is hidden or has another suffix is left out.

    Raises:
        ArtifactError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; name one that holds pictures")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    seen = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not seen:
        raise ArtifactError(f"{folder} holds no picture; looked for {' '.join(sorted(SUFFIXES))}")
    return sorted(seen)
