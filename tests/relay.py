"""A TCP relay between a test's client and its server: a network that can hold things up, or speak TLS."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Relay:
    """Listens at `port` and passes everything on.

    Attributes:
        port: on the loopback.
        flowing: cleared, what comes from the server waits; set again, it goes on.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None) -> None:
        self._target, self._context = target, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.flowing = threading.Event()
        self.flowing.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        self.flowing.set()
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    near = client if self._context is None else self._context.wrap_socket(client, server_side=True)
                except OSError:  # the client does not like our certificate
                    client.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                threading.Thread(target=self._pump, args=(far, near, self.flowing), daemon=True).start()
                threading.Thread(target=self._pump, args=(near, far, threading.Event()), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, flowing: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if flowing is self.flowing:
                    flowing.wait()
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(target: int, certificate: Path | None = None) -> Iterator[Relay]:
    """Relay to a port of the loopback; with a certificate (PEM, with its key) to clients that speak TLS."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    running = Relay(target, context)
    try:
        yield running
    finally:
        running.close()


def make_certificate(path: Path, host: str = "IP:127.0.0.1") -> Path:
    """A certificate that its own key has signed, as cameras have, with the key in the same file."""
    made = f"{path}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(path), "-out", made]
    name = ["-days", "2", "-subj", "/CN=camera", "-addext", f"subjectAltName={host}"]
    subprocess.run([*command, *name], check=True, capture_output=True, timeout=60)
    path.write_bytes(path.read_bytes() + Path(made).read_bytes())
    return path
