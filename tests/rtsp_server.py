"""An RTSP camera for tests: plays an H.264 clip without B-frames in a loop at rtsp://127.0.0.1:PORT/cam.

    /usr/bin/python3 rtsp_server.py CLIP.mp4 [--port N] [--user NAME --password WORD [--digest]] [--start N]
        [--tell N...]

GStreamer's Python bindings belong to the system's Python, so it runs there, as a process of its own; `rtsp_camera.py`
starts it. It prints its port once it listens, and reads commands from its standard input, one a line: `stall` stops
sending and keeps the connections, `hold` sends the clip's first picture again and again as an encoder that hangs does,
`resume` ends both, `drop` hangs up on every client. It ends with its input. With `--tell` it prints `N UNIX_SECONDS`
whenever it sends the clip's picture N; `--start` is the first that a client gets.
"""
# ruff: noqa: T201 - it answers on its standard output

import argparse
import sys
import threading
import time
from typing import Any

import gi  # type: ignore[import-not-found, unused-ignore]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found, unused-ignore] # noqa: E402

ACCESS_UNITS = "video/x-h264,stream-format=byte-stream,alignment=au"
LOAD = f"filesrc name=clip ! qtdemux ! h264parse config-interval=-1 ! {ACCESS_UNITS} ! appsink name=out sync=false"
SERVE = (
    "( appsrc name=feed is-live=true format=time do-timestamp=true ! h264parse config-interval=-1 "
    "! rtph264pay name=pay0 pt=96 )"
)
Native = Any
"""An object of GStreamer, which has no Python types."""


def load(path: str) -> tuple[list[bytes], Native]:
    """Return the clip's access units and their GStreamer caps."""
    pipeline = Gst.parse_launch(LOAD)
    pipeline.get_by_name("clip").set_property("location", path)
    pipeline.set_state(Gst.State.PLAYING)
    out, units, caps = pipeline.get_by_name("out"), [], None
    while (sample := out.emit("pull-sample")) is not None:
        caps, buffer = sample.get_caps(), sample.get_buffer()
        units.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    if not units:
        raise SystemExit(f"{path}: holds no H.264")
    return units, caps


class Feed:
    """Pushes the clip's pictures at its frame rate to each client."""

    def __init__(self, units: list[bytes], caps: Native, *, start: int, tell: list[int]) -> None:
        self.units, self.caps = units, caps
        self.start, self.told = start, frozenset(tell)
        self.stalled = self.held = False
        self.positions: dict[Native, int] = {}
        known, over, under = caps.get_structure(0).get_fraction("framerate")
        GLib.timeout_add(round(1000 * under / over) if known and over else 40, self.push)

    def attach(self, _factory: Native, media: Native) -> None:
        """Feed what one client has asked for, from a key frame on, until it leaves."""
        source = media.get_element().get_by_name_recurse_up("feed")
        source.set_property("caps", self.caps)
        self.positions[source] = self.start
        media.connect("unprepared", lambda _: self.positions.pop(source, None))

    def push(self) -> bool:
        """Send one picture; the clip's first follows its last."""
        if not self.stalled:
            for source, position in list(self.positions.items()):
                source.emit("push-buffer", Gst.Buffer.new_wrapped(self.units[0 if self.held else position]))
                if position in self.told:
                    print(position, time.time(), flush=True)
                self.positions[source] = (position + 1) % len(self.units)
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


def obey(server: Native, feed: Feed, loop: Native) -> None:
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
        feed.stalled, feed.held = command == "stall", command == "hold"
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
    arguments = parser.parse_args()
    Gst.init(None)
    feed = Feed(*load(arguments.clip), start=arguments.start, tell=arguments.tell)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(False)  # a media shared with a client that has just gone would be on its way out
    factory.set_launch(SERVE)
    factory.connect("media-configure", feed.attach)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    if arguments.user:
        protect(server, factory, arguments.user, arguments.password, digest=arguments.digest)
    server.get_mount_points().add_factory("/cam", factory)
    if server.attach(None) == 0:
        raise SystemExit("the RTSP server cannot listen on 127.0.0.1")
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=obey, args=(server, feed, loop), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
