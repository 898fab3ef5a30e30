"""Sections of the configuration that say who may see what of the pictures."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import combinations
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyAddress, SecretStr, model_validator

from vestibule.credentials import read_secret
from vestibule.errors import ConfigError
from vestibule.section_types import Point, Section, in_state_directory

_MIN_AREA = 1e-6
"""Of the picture: a polygon of less covers nothing, and was meant to cover something."""

_MIN_PASSWORD = 12


class MaskConfig(Section):
    """A privacy mask: a part of the picture that is blackened before anything looks at it.

    Attributes:
        polygon: at least three corners, in order round the part.
    """

    polygon: tuple[Point, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _covers_what_it_encloses(self) -> Self:
        """Refuse what leaves open what is covered: of a star, the middle would stay visible."""
        if _crosses_itself(self.polygon):
            raise ValueError("the mask's edges cross; name its corners in order round the part that it covers")
        if _area(self.polygon) < _MIN_AREA:
            raise ValueError("the mask covers nothing; name corners that do not lie on one line")
        return self


class SnapshotsConfig(Section):
    """Pictures of those whom an alert is about, on this machine's disk.

    Attributes:
        mode: `off` keeps none, and deletes those left at the start; `blurred` makes heads unrecognisable.
        folder: if absent `snapshots` in systemd's state directory.
        keep_s: after that each is deleted.
        max_mb: the oldest go when all together are larger, in megabytes (10^6 bytes).
    """

    mode: Literal["off", "blurred", "full"] = "off"
    folder: Path | None = None
    keep_s: float = Field(default=86_400.0, gt=0, le=30 * 86_400)
    max_mb: int = Field(default=200, ge=1, le=100_000)

    def path(self) -> Path | None:
        """Where they lie; None if nowhere."""
        return self.folder or in_state_directory("snapshots")


class InstallerConfig(Section):
    """The page on which the cameras are seen and their lines, zones and masks drawn.

    Attributes:
        host: of the loopback: what it shows is for who sits at this machine, or comes to it through SSH.
        port: 0 takes any that is free; the log says which.
        password_file: file with its password; a bare name is looked up in `$CREDENTIALS_DIRECTORY`.
    """

    enabled: bool = False
    host: IPvAnyAddress = IPv4Address("127.0.0.1")
    port: int = Field(default=9465, ge=0, le=65_535)
    password_file: Path | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.host.is_loopback:
            raise ValueError(
                f"host {self.host} is not of the loopback, and pictures of customers must not leave the machine; use "
                f"127.0.0.1, and from elsewhere `ssh -L {self.port}:127.0.0.1:{self.port} BOX`"
            )
        if self.enabled and self.password_file is None:
            raise ValueError("the page is enabled and has no password; set password_file")
        return self

    def password(self) -> SecretStr | None:
        """Read the page's password; None while the page is off.

        Raises:
            ConfigError: the file cannot be read, or the password is too short.
        """
        if not self.enabled or self.password_file is None:
            return None
        secret = read_secret(self.password_file)
        if len(secret.get_secret_value()) < _MIN_PASSWORD:
            raise ConfigError(
                f"installer.password_file {self.password_file}: the password is too short; make it {_MIN_PASSWORD} "
                "characters or more"
            )
        return secret


def _area(polygon: Sequence[Point]) -> float:
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def _crosses_itself(polygon: Sequence[Point]) -> bool:
    edges = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    return any(_cross(*first, *second) for first, second in combinations(edges, 2))


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Tell whether two edges cut through each other; touching does not count."""

    def side(start: Point, end: Point, point: Point) -> float:
        return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
