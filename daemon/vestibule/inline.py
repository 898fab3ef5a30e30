"""Wires the stages for recordings: every frame goes through all of them, the same way on every run.

Three threads, each up to two frames ahead of the next: one decodes, one tracks, one crops, classifies, decides.
What a stage is given does not depend on how far the others are.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from vestibule.claims import ClaimInbox
from vestibule.errors import SourceError
from vestibule.stages import Stages
from vestibule.types import Frame, Message, Tracks

Item = TypeVar("Item")
_TICK_S = 0.01
Observer = Callable[[Frame, Tracks, Sequence[Message]], None]
"""Told of every frame after it went through: to draw, to show progress."""


def run_inline(
    frames: Iterable[Frame],
    stages: Stages,
    publish: Callable[[Message], None],
    observe: Observer | None = None,
    claims: ClaimInbox | None = None,
    *,
    linger: Callable[[], float | None] | None = None,
) -> None:
    """Send every frame through all stages, publishing from this thread; the same frames give the same messages.

    The next frames are decoded and tracked meanwhile. The clock is the frames' own. When the frames end, or their
    source fails, what is under way is finished and published first. Claims are decided between two frames, and after
    the last as long as `linger` returns a time, Unix seconds, and not None.

    Raises:
        SourceError: the frames ended in an error, after all of them have been dealt with.
    """
    now_s = 0.0
    fault: SourceError | None = None
    try:
        for tracks in _ahead(_tracked(_ahead(frames, "decode"), stages), "track"):
            now_s = tracks.frame.captured_at_s
            if claims is not None:
                _take_claims(claims, stages, now_s, publish)
            _take_in(tracks, stages, publish, observe)
    except SourceError as error:  # nothing but the frames' source raises it
        fault = error
    for message in _classify_due(stages, now_s, all_of_them=True):
        publish(message)
    while claims is not None and linger is not None and (later_s := linger()) is not None:
        now_s = max(now_s, later_s)
        _take_claims(claims, stages, now_s, publish)
    for message in stages.desk.finish(now_s):
        publish(message)
    if fault is not None:
        raise fault


def _tracked(frames: Iterable[Frame], stages: Stages) -> Iterator[Tracks]:
    """Yield each frame's tracks; one by one, since which frames go to the detector together would decide about them."""
    for frame in frames:
        yield from stages.vision.track([frame])


def _ahead(items: Iterable[Item], thread_name: str) -> Iterator[Item]:
    """Yield the items in their order, or what they raise, getting the next in a thread while one is used."""
    # Not a pool's futures: they take a tenth of a millisecond for each item, most of it in the interpreter.
    made: queue.Queue[Item | Exception | None] = queue.Queue(1)
    over = threading.Event()

    def make() -> None:
        try:
            for item in items:
                made.put(item)
                if over.is_set():
                    return
            made.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by who reads
            made.put(error)

    thread = threading.Thread(target=make, name=thread_name, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        over.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                made.get(timeout=_TICK_S)


def _take_in(tracks: Tracks, stages: Stages, publish: Callable[[Message], None], observe: Observer | None) -> None:
    now_s = tracks.frame.captured_at_s
    crops = stages.vision.crop(tracks, stages.desk.settled(tracks.frame.camera_id))
    messages = stages.desk.see(tracks, now_s)
    stages.batcher.add(crops, now_s)
    messages += _classify_due(stages, now_s)
    for message in messages:
        publish(message)
    if observe is not None:
        observe(tracks.frame, tracks, messages)


def _take_claims(claims: ClaimInbox, stages: Stages, now_s: float, publish: Callable[[Message], None]) -> None:
    for request in claims.take():
        for message in stages.desk.claim(request, now_s).messages:
            publish(message)


def _classify_due(stages: Stages, now_s: float, *, all_of_them: bool = False) -> list[Message]:
    messages: list[Message] = []
    while batch := stages.batcher.take(now_s, all_of_them=all_of_them):
        messages += stages.desk.read(stages.classifier.classify(batch), now_s)
    return messages
