"""An HTTP camera for tests: JPEGs one after the other (multipart/x-mixed-replace), as MJPEG cameras send them."""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
from footage import moving_square

FPS = 25
JPEGS = [cv2.imencode(".jpg", image)[1].tobytes() for image in moving_square(50)]


class HttpCamera(ThreadingHTTPServer):
    """Serves `/video`; `/broken` sends every third picture cut short, `/stall` falls silent after half a second.

    Attributes:
        login: `name:password` that it asks for; None lets everybody in.
    """

    daemon_threads = True

    def __init__(self, login: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login = login
        self.closing = threading.Event()

    def address(self, path: str) -> str:
        """The address of one of its streams."""
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: HttpCamera

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.login is not None:
            wanted = "Basic " + base64.b64encode(self.server.login.encode()).decode()
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        number = 0
        while not self.server.closing.is_set():
            jpeg = JPEGS[number % len(JPEGS)]
            if self.path == "/broken" and number % 3 == 2:
                jpeg = jpeg[:150]
            if self.path == "/stall" and number == FPS // 2:
                self.server.closing.wait(30)
            head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            try:
                self.wfile.write(head + jpeg + b"\r\n")
            except OSError:
                return
            number += 1
            time.sleep(1 / FPS)


@contextmanager
def http_camera(login: str | None = None) -> Iterator[HttpCamera]:
    """Serve until the test is over."""
    with HttpCamera(login) as camera:
        thread = threading.Thread(target=camera.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield camera
        finally:
            camera.closing.set()
            camera.shutdown()
            thread.join(10)
