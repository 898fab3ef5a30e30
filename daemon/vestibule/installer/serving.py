"""The web server of the installer's page, in a thread; imported only where the page is enabled."""

import threading

import structlog
import uvicorn
from pydantic import SecretStr

from vestibule.endpoint import host_and_port
from vestibule.installer.app import build_app
from vestibule.installer.login import Login
from vestibule.installer.panel import Panel
from vestibule.privacy_sections import InstallerConfig
from vestibule.web.protocol import PatientProtocol, listen

log = structlog.get_logger()

_MOST_CONNECTIONS = 32
_BACKLOG = 16
_END_S = 2.0


class Serving:
    """The running server.

    Args:
        panel: what can be asked for.
        config: where.
        password: of the page.

    Raises:
        ConfigError: the address cannot be used.
    """

    def __init__(self, panel: Panel, config: InstallerConfig, password: SecretStr) -> None:
        self._listening = listen(config, "installer")
        self._listening.listen(_BACKLOG)  # whoever reads the log's line may come at once
        host, port, *_ = self._listening.getsockname()
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_app(panel, Login(password)),
                http=PatientProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
                backlog=_BACKLOG,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="installer", daemon=True)
        self._thread.start()
        log.info("installer's page served", address=host_and_port(host, port))

    def close(self) -> None:
        """End it, soon."""
        self._server.should_exit = True
        self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        except Exception:  # the thread boundary: the page is gone, and nothing else
            log.exception("installer's page failed")
        finally:
            self._listening.close()
