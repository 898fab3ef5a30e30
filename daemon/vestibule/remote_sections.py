"""`[classifier.remote]` in the configuration: a classifier on a server that many boxes share."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from vestibule.section_types import Section


class RemoteConfig(Section):
    """A server of the Open Inference Protocol (KServe v2) over gRPC, such as NVIDIA Triton.

    Attributes:
        address: `HOST:PORT` of its gRPC.
        model: the model's name there; `NAME-vVERSION` of the model folder's manifest if absent, as
            `vestibule-models export triton` names it.
        deadline_ms: a batch that is not answered by then is classified on this box.
        ca_file: with `tls`, the authority that signed the server's certificate; the system's if absent.
        cert_file: with `tls`, our own certificate, for a server that asks for one; PEM.
        key_file: its unencrypted key.
    """

    address: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    deadline_ms: float = Field(default=300.0, ge=10, le=10_000)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        for name in ("ca_file", "cert_file", "key_file"):
            if getattr(self, name) is not None and not self.tls:
                raise ValueError(f"{name} is set and tls is not; set tls = true, or remove {name}")
        if (self.key_file is None) != (self.cert_file is None):
            raise ValueError("cert_file and key_file go together; set both, or neither")
        return self
