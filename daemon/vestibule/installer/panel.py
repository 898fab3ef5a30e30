"""What the installer's page can ask for and change: cameras, their places in the configuration's file, snapshots."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vestibule import config
from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.health import Health
from vestibule.installer.live_view import LiveView, Picture
from vestibule.places import Places, file_version, snippet, write_places
from vestibule.snapshot_folder import SnapshotFolder


class Refused(Exception):  # noqa: N818 - an answer to a person, not an error of the program
    """What was asked for cannot be done.

    Args:
        status: of HTTP.
        problem: one line for the installer, with the remedy.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    settings: Settings
    health: Health


class Panel:
    """Asked from the page's threads; told by the main thread what runs.

    Args:
        path: the configuration's file.
        view: the live pictures.
        reload: has the daemon read its configuration again, soon.

    Attributes:
        problem: why the last reload was refused; empty if it was not.
    """

    def __init__(self, path: Path, view: LiveView, reload: Callable[[], None]) -> None:
        self._path, self._view, self._reload = path, view, reload
        self._running: _Running | None = None
        self.problem = ""

    def watch(self, settings: Settings, health: Health) -> None:
        """Show this from now on."""
        self._running = _Running(settings=settings, health=health)

    def state(self) -> dict[str, Any]:
        """Return the cameras and how they are."""
        running = self._now()
        cameras = [
            {"id": one.camera_id, "state": one.state, "reason": one.reason, "since_s": one.since_s}
            for one in running.health.cameras()
        ]
        return {
            "site": running.settings.site.id,
            "file": str(self._path),
            "writable": self._writable(),
            "snapshots": running.settings.snapshots.mode,
            "problem": self.problem,
            "cameras": cameras,
        }

    def picture(self, camera_id: str) -> Picture | None:
        """Return a camera's newest picture; None if there is none yet.

        Raises:
            Refused: there is no such camera.
        """
        if not any(camera.id == camera_id for camera in self._now().settings.cameras):
            raise Refused(404, f"camera {camera_id}: there is none of that name")
        return self._view.picture(camera_id)

    def places(self, camera_id: str) -> dict[str, Any]:
        """Return what the file says of a camera's places, and whether the daemon has taken it over.

        Raises:
            Refused: the file cannot be read, or there is no such camera in it.
        """
        try:
            version, found = file_version(self._path), config.load(self._path)
        except ConfigError as error:
            raise Refused(409, str(error)) from error
        written = {camera.id: Places.of(camera) for camera in found.cameras}
        runs = {camera.id: Places.of(camera) for camera in self._now().settings.cameras}
        if camera_id not in written:
            raise Refused(404, f"camera {camera_id}: is not in {self._path}")
        taken_over = camera_id in runs and written[camera_id].same_as(runs[camera_id])
        return {
            "places": written[camera_id].model_dump(mode="json"),
            "version": version,
            "taken_over": taken_over,
            "problem": self.problem,
        }

    def save(self, camera_id: str, version: object, given: object) -> None:
        """Write a camera's places, and have the daemon take them over.

        Raises:
            Refused: they are not good, the file was changed meanwhile, or it cannot be written.
        """
        try:
            places = Places.model_validate(given)
        except ValidationError as error:
            raise Refused(422, config.explain(error)) from error
        try:
            if version != file_version(self._path):
                raise Refused(409, f"{self._path} was changed meanwhile; reload this page, and draw it again")
            if not self._writable():
                raise Refused(
                    403,
                    f"{self._path} is read-only for the daemon; paste this behind the other settings of camera "
                    f"{camera_id}, in place of its entrance, zones and masks, and reload the service:\n"
                    f"{snippet(places)}",
                )
            write_places(self._path, camera_id, places)
        except ConfigError as error:
            raise Refused(422, str(error)) from error
        self.problem = ""
        self._reload()

    def snapshots(self) -> list[dict[str, Any]]:
        """Return the snapshots that there are, newest first."""
        folder = self._folder()
        return [] if folder is None else [{"alert_id": name, "at_s": at_s} for name, at_s in folder.alerts()]

    def snapshot(self, alert_id: str) -> bytes:
        """Return one as JPEG.

        Raises:
            Refused: there is none.
        """
        folder = self._folder()
        jpeg = None if folder is None else folder.jpeg(alert_id)
        if jpeg is None:
            raise Refused(404, "there is no such snapshot any more")
        return jpeg

    def _folder(self) -> SnapshotFolder | None:
        snapshots = self._now().settings.snapshots
        path = snapshots.path()
        if snapshots.mode == "off" or path is None:
            return None
        try:
            return SnapshotFolder(path, keep_s=snapshots.keep_s, max_bytes=snapshots.max_mb * 1_000_000)
        except ConfigError:
            return None

    def _writable(self) -> bool:
        path = self._path.resolve()
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)

    def _now(self) -> _Running:
        if self._running is None:
            raise Refused(503, "the daemon is starting; try again in a moment")
        return self._running
