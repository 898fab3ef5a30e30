"""Under which name a server of models serves a model folder: with its version, so that no box asks another one."""

import re

from vestibule_models.artifact import GarmentManifest


def serving_name(manifest: GarmentManifest) -> str:
    """Return `NAME-vVERSION` in letters that every server takes; `+FORMAT` of a converted folder is left out.

    The format changes how a network is computed, not what its answers mean: thresholds are those of the version.
    """
    version = manifest.version.split("+")[0]
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{manifest.name}-v{version}")
