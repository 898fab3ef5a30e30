"""Wires the stages in one thread, for recordings: every frame goes through all of them, the same way on every run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from vestibule.claims import ClaimInbox
from vestibule.errors import SourceError
from vestibule.stages import Stages
from vestibule.types import Frame, Message, Tracks

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
    """Send every frame through all stages in this thread; the same frames give the same messages.

    The next frame is decoded meanwhile, in a thread of its own. The clock is the frames' own. When the frames end, or
    their source fails, what is under way is finished and published first. Claims are decided between two frames, and
    after the last as long as `linger` returns a time, Unix seconds, and not None.

    Raises:
        SourceError: the frames ended in an error, after all of them have been dealt with.
    """
    now_s = 0.0
    fault: SourceError | None = None
    try:
        for frame in _read_ahead(frames):
            now_s = frame.captured_at_s
            if claims is not None:
                _take_claims(claims, stages, now_s, publish)
            _take_in(frame, stages, publish, observe)
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


def _read_ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames in their order, or what they raise, getting one while the one before is worked on."""
    source = iter(frames)
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        coming = pool.submit(next, source, None)
        while (frame := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield frame


def _take_in(frame: Frame, stages: Stages, publish: Callable[[Message], None], observe: Observer | None) -> None:
    now_s = frame.captured_at_s
    ((tracks, crops),) = stages.vision.look([frame], stages.desk.settled)
    messages = stages.desk.see(tracks, now_s)
    stages.batcher.add(crops, now_s)
    messages += _classify_due(stages, now_s)
    for message in messages:
        publish(message)
    if observe is not None:
        observe(frame, tracks, messages)


def _take_claims(claims: ClaimInbox, stages: Stages, now_s: float, publish: Callable[[Message], None]) -> None:
    for request in claims.take():
        for message in stages.desk.claim(request, now_s).messages:
            publish(message)


def _classify_due(stages: Stages, now_s: float, *, all_of_them: bool = False) -> list[Message]:
    messages: list[Message] = []
    while batch := stages.batcher.take(now_s, all_of_them=all_of_them):
        messages += stages.desk.read(stages.classifier.classify(batch), now_s)
    return messages
