"""The installer's page: the cameras as they are seen, and where lines, zones and masks are drawn on them."""

from vestibule.installer.live_view import LiveView
from vestibule.installer.server import Installer

__all__ = ["Installer", "LiveView"]
