"""An RTSP camera for tests: plays an H.264 clip without B-frames in a loop at rtsp://127.0.0.1:PORT/cam.

    /usr/bin/python3 rtsp_server.py CLIP.mp4 [--port N] [--user NAME --password WORD [--digest]] [--start N]
        [--tell N...] [--sub CLIP.mp4 [--late S]]

GStreamer's Python bindings belong to the system's Python, so it runs there, as a process of its own; `rtsp_camera.py`
starts it. It prints its port once it listens, and reads commands from its standard input, one a line: `stall` stops
sending and keeps the connections, `hold` sends the clip's first picture again and again as an encoder that hangs does,
`resume` ends both, `drop` hangs up on every client. It ends with its input. With `--tell` it prints `N UNIX_SECONDS`
whenever it sends the clip's picture N; `--start` is the first that a client gets.

With `--sub` it is a camera with two streams: that clip plays at /sub, picture by picture together with the first, and
each begins at a key frame. `--late` sends the first clip's pictures so many seconds later than it took them.
"""
# ruff: noqa: T201 - it answers on its standard output

import argparse
import sys
import threading
import time
from collections import deque
from typing import Any

import gi  # type: ignore[import-not-found, unused-ignore]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found, unused-ignore] # noqa: E402

ACCESS_UNITS = "video/x-h264,stream-format=byte-stream,alignment=au"
LOAD = f"filesrc name=clip ! qtdemux ! h264parse config-interval=-1 ! {ACCESS_UNITS} ! appsink name=out sync=false"
SERVE = "( appsrc name=feed is-live=true format=time ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
Native = Any
"""An object of GStreamer, which has no Python types."""


def load(path: str) -> tuple[list[bytes], frozenset[int], Native]:
    """Return the clip's access units, which of them are key frames, and their GStreamer caps."""
    pipeline = Gst.parse_launch(LOAD)
    pipeline.get_by_name("clip").set_property("location", path)
    pipeline.set_state(Gst.State.PLAYING)
    out, caps = pipeline.get_by_name("out"), None
    units: list[bytes] = []
    keys: set[int] = set()
    while (sample := out.emit("pull-sample")) is not None:
        caps, buffer = sample.get_caps(), sample.get_buffer()
        if not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            keys.add(len(units))
        units.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    if not units:
        raise SystemExit(f"{path}: holds no H.264")
    return units, frozenset(keys), caps


class Feed:
    """Pushes a clip's pictures at its frame rate to each client."""

    def __init__(self, path: str, *, start: int, tell: list[int], late_s: float, together: bool) -> None:
        self.units, self.keys, self.caps = load(path)
        self.start, self.told, self.together = start, frozenset(tell), together
        known, over, under = self.caps.get_structure(0).get_fraction("framerate")
        self.period_ms = round(1000 * under / over) if known and over else 40
        self.late = round(1000 * late_s / self.period_ms)
        self.held = False
        self.positions: dict[Native, int | None] = {}
        self.taken: dict[Native, deque[tuple[int, Native]]] = {}
        self.at = 0

    def attach(self, _factory: Native, media: Native) -> None:
        """Feed what one client has asked for, from a key frame on, until it leaves."""
        source = media.get_element().get_by_name_recurse_up("feed")
        source.set_property("caps", self.caps)
        self.positions[source], self.taken[source] = None if self.together else self.start, deque()
        media.connect("unprepared", lambda _: self.positions.pop(source, None))

    def push(self) -> None:
        """Take one picture for each client and send the one whose time has come; the first follows the last."""
        self.at = (self.at + 1) % len(self.units)
        for source, position in list(self.positions.items()):
            if position is None and self.at not in self.keys:
                continue
            here = self.at if position is None else position
            self.positions[source] = (here + 1) % len(self.units)
            taken = self.taken[source]
            taken.append((here, running_time(source)))
            if len(taken) > self.late:
                self.send(source, *taken.popleft())

    def send(self, source: Native, position: int, taken: Native) -> None:
        """Send one picture, stamped with when it was taken."""
        buffer = Gst.Buffer.new_wrapped(self.units[0 if self.held else position])
        buffer.pts = buffer.dts = taken
        source.emit("push-buffer", buffer)
        if position in self.told:
            print(position, time.time(), flush=True)


def running_time(source: Native) -> Native:
    """Return what the stream's clock shows, in nanoseconds."""
    clock = source.get_clock()
    return max(0, clock.get_time() - source.get_base_time()) if clock else 0


class Camera:
    """The one clock of all of a camera's streams."""

    def __init__(self, feeds: list[Feed]) -> None:
        self.feeds, self.stalled = feeds, False
        GLib.timeout_add(feeds[0].period_ms, self.push)

    def push(self) -> bool:
        """Have every stream send a picture."""
        if not self.stalled:
            for feed in self.feeds:
                feed.push()
        return True


def protect(server: Native, factory: Native, user: str, password: str, *, digest: bool) -> None:
    """Let only `user` in."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", right, True)
    factory.set_permissions(permissions)


def obey(server: Native, camera: Camera, loop: Native) -> None:
    """Carry out the commands that arrive on standard input; each is answered once it is done."""

    def drop() -> bool:
        server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
        print("drop", flush=True)
        return False

    for line in sys.stdin:
        command = line.strip()
        if command == "drop":
            GLib.idle_add(drop)
            continue
        camera.stalled = command == "stall"
        for feed in camera.feeds:
            feed.held = command == "hold"
        print(command, flush=True)
    loop.quit()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="An RTSP camera for tests.")
    parser.add_argument("clip")
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--tell", type=int, nargs="*", default=[])
    parser.add_argument("--sub")
    parser.add_argument("--late", type=float, default=0.0)
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    feeds = []
    for place, clip, late_s in (("/cam", arguments.clip, arguments.late), ("/sub", arguments.sub, 0.0)):
        if clip is None:
            continue
        together = arguments.sub is not None
        feed = Feed(clip, start=arguments.start, tell=arguments.tell, late_s=late_s, together=together)
        feeds.append(feed)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(False)  # a media shared with a client that has just gone would be on its way out
        factory.set_launch(SERVE)
        factory.connect("media-configure", feed.attach)
        if arguments.user:
            protect(server, factory, arguments.user, arguments.password, digest=arguments.digest)
        server.get_mount_points().add_factory(place, factory)
    camera = Camera(feeds)
    if server.attach(None) == 0:
        raise SystemExit("the RTSP server cannot listen on 127.0.0.1")
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=obey, args=(server, camera, loop), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
