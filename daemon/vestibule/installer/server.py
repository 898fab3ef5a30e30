"""The installer's page, at an address or nowhere; whatever happens to it, the cameras go on."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vestibule.config import Settings
from vestibule.health import Health
from vestibule.installer.live_view import LiveView
from vestibule.installer.panel import Panel
from vestibule.privacy_sections import InstallerConfig

if TYPE_CHECKING:
    from vestibule.installer.serving import Serving


class Installer:
    """Belongs to the main thread, but for `view`, which is an onlooker of the pipeline.

    Args:
        path: the configuration's file.
        reload: has the daemon read it again, soon; called from any thread.
    """

    def __init__(self, path: Path, reload: Callable[[], None]) -> None:
        self.view = LiveView()
        self._panel = Panel(path, self.view, reload)
        self._served: tuple[InstallerConfig, str] | None = None
        self._serving: Serving | None = None

    def watch(self, settings: Settings, health: Health) -> None:
        """Show this from now on."""
        self._panel.watch(settings, health)

    def reloaded(self, problem: str = "") -> None:
        """Tell whoever looks that a reload was refused, and why, or that it was not."""
        self._panel.problem = problem

    def serve(self, config: InstallerConfig) -> None:
        """Serve it as the configuration says; a page that is served so already is left alone, with its sessions.

        Raises:
            ConfigError: the address or the password cannot be used; nothing is served then.
        """
        secret = config.password()
        wanted = None if secret is None else (config, secret.get_secret_value())
        if wanted == self._served:
            return
        self.close()
        if secret is None:
            return
        from vestibule.installer.serving import Serving  # noqa: PLC0415 - a web server, where it is wanted

        self._serving, self._served = Serving(self._panel, config, secret), wanted

    def close(self) -> None:
        """Serve it no more."""
        if self._serving is not None:
            self._serving.close()
        self._serving = self._served = None
