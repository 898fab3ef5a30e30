"""`[ledger]` in the configuration: what is kept of the visits, and how it is told."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from vestibule.section_types import Section, in_state_directory


class LedgerConfig(Section):
    """Ended visits, alerts and claims as rows of a file, for reports; no pictures, no embeddings, nobody's name.

    Attributes:
        path: the file; if absent `ledger.sqlite3` in systemd's state directory, none where there is no such directory.
        retention_days: older visits are deleted, at the start and every day.
        min_cell: fewer customers than this are shown as "<5" in whatever leaves the box; 1 shows everything.
        counters: today's counts at the broker, retained, in steps of `min_cell` or exact.
    """

    path: Path | None = None
    retention_days: int = Field(default=90, ge=1, le=3650)
    min_cell: int = Field(default=5, ge=1, le=1000)
    counters: Literal["steps", "exact", "off"] = "steps"

    def file(self) -> Path | None:
        """Where the ledger lies; None if there is none."""
        return self.path or in_state_directory("ledger.sqlite3")
