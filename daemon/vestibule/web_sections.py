"""`[web]` in the configuration: the staff page."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, IPvAnyAddress, model_validator

from vestibule.section_types import Identifier, Section


class WebConfig(Section):
    """The staff page, a service of its own (`vestibule web`).

    Attributes:
        host: address of this machine to listen on; beyond the loopback only with TLS, ours or a proxy's.
        port: 0 takes any that is free; the log says which.
        cert_file: certificate chain, PEM; a bare name is looked up in `$CREDENTIALS_DIRECTORY`.
        key_file: its unencrypted key; in `cert_file` if absent.
        trusted_proxies: addresses of the proxies that do TLS; the client's address and scheme are taken from theirs.
        public_url: how phones reach the page, such as `https://staff.store.lan`; host and port if absent.
        sites: the stores to show; every one under the topics' prefix if empty.
        state_dir: the signing key, the paired devices, and the alerts of the last hours.
        retention_h: how long an alert is kept, hours.
    """

    host: IPvAnyAddress = IPv4Address("127.0.0.1")
    port: int = Field(default=8780, ge=0, le=65_535)
    cert_file: Path | None = None
    key_file: Path | None = None
    trusted_proxies: tuple[IPvAnyAddress, ...] = ()
    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")] | None = None
    sites: tuple[Identifier, ...] = ()
    state_dir: Path = Path("/var/lib/vestibule-web")
    retention_h: float = Field(default=24.0, gt=0, le=168)

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file is set and cert_file is not; set cert_file too")
        if not self.host.is_loopback and not self.secure:
            raise ValueError(
                f"host {self.host} is beyond the loopback and nothing encrypts; set cert_file and key_file, or name "
                "the proxy that does TLS in trusted_proxies"
            )
        return self

    @property
    def secure(self) -> bool:
        """Whether phones speak TLS, to us or to a proxy."""
        return self.cert_file is not None or bool(self.trusted_proxies)
