"""Correct a model's answers on a store's own pictures, on a page in the browser of this machine."""

import argparse
import fcntl
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import track

from vestibule_models.artifact import ArtifactError, model_folder
from vestibule_models.label_book import Answer, Book, Origin, prefilled
from vestibule_models.label_server import LabelServer, Model
from vestibule_models.litert_runner import LiteRTRunner
from vestibule_models.picture_files import find_pictures
from vestibule_models.pictures import find_unreadable, read_picture

BATCH = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `label`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="pictures of one person each, best cut to them")
    parser.add_argument(
        "--out", type=Path, help="gets manifest.csv and photos/ (DIR if it holds photos/, else DIR-labelled beside it)"
    )
    parser.add_argument("--model", default="garments-efflite0", help="whose answers to correct")
    parser.add_argument("--source", default="store", help="name of the store, in the manifest (store)")
    parser.add_argument("--licence", default="own pictures, not to be passed on", help="in the manifest")
    parser.add_argument("--port", type=int, default=0, help="of the loopback (a free one)")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    pictures, out = places(args.folder, args.out)
    paths = find_pictures(pictures)
    skipped = find_unreadable(paths)
    bad = {one.path for one in skipped}
    for one in skipped:
        print(f"left out: {one.reason}")  # noqa: T201 - the user must know
    files = [path.relative_to(pictures).as_posix() for path in paths if path not in bad]
    if not files:
        raise ArtifactError(f"none of the {len(paths)} pictures in {pictures} can be read")
    with alone(out):
        book = Book(pictures, files, out, Origin(source=args.source, licence=args.licence))
        model = ask(LiteRTRunner(model_folder(args.model)), book, pictures)
        names = [path.relative_to(pictures).as_posix() for path in paths if path in bad]
        try:
            server = LabelServer(book, pictures, model, names, port=args.port)
        except OSError as error:
            raise ArtifactError(f"port {args.port}: {error.strerror}; leave --port out for a free one") from error
        with server:
            print(f"{book.answered()} of {len(files)} pictures answered. Open {server.url}", flush=True)  # noqa: T201
            print("Ctrl-C ends it; every answer is kept, and the next run goes on.", flush=True)  # noqa: T201
            # Said again: in the background SIGINT may be ignored from the start; SIGTERM ends it as well.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()  # noqa: T201 - behind the ^C
    print(f"{book.answered()} of {len(files)} pictures answered, in {book.path}")  # noqa: T201
    return 0


def places(folder: Path, out: Path | None) -> tuple[Path, Path]:
    """Return where the pictures lie and where the manifest goes."""
    inside = folder / "photos"
    if inside.is_dir():
        return inside, out or folder
    return folder, out or folder.resolve().with_name(f"{folder.resolve().name}-labelled")


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder: each would write over the other's answers."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".label.lock").open("w")
    except OSError as error:
        raise ArtifactError(
            f"cannot write {out} ({error.strerror}); name a folder with --out that you may write"
        ) from error
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(f"{out} is being labelled by another run; end that one first") from error
        yield


def ask(runner: LiteRTRunner, book: Book, pictures: Path) -> Model:
    """Run the model on the pictures that have no answer yet."""
    wanted = [index for index in range(len(book.files)) if book.answer_of(index) is None]
    probs: dict[int, tuple[float, ...]] = {}
    answers: dict[int, Answer] = {}
    starts: Sequence[int] = range(0, len(wanted), BATCH)
    for start in track(starts, description="asking the model", transient=True, disable=not starts):
        part = wanted[start : start + BATCH]
        found = runner.run_all([read_picture(pictures / book.files[index]) for index in part]).probs
        for index, row in zip(part, found.tolist(), strict=True):
            probs[index] = tuple(row)
            answers[index] = prefilled(dict(zip(runner.manifest.labels, row, strict=True)), runner.manifest.thresholds)
    return Model(name=f"{runner.manifest.name}@{runner.manifest.version}", answers=answers, probs=probs)
