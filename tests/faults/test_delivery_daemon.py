"""The whole daemon, killed at random moments: what it had committed arrives after its restart.

Two witnesses besides the subscriber: the outbox file as the kill left it, and the events file, into which the daemon
writes a line after the event is in the outbox. `VESTIBULE_FAULTS=full` kills ten times instead of twice.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mqtt_client import WAIT_S, needs_mosquitto, wait_until
from publisher import events_in, lasting_broker, received_ids, waiting_on_disk
from toyshop import clip, crossing, toy_models

from vestibule.config import load
from vestibule.replay import ReplayOptions, replay

pytestmark = needs_mosquitto

KILLS = 10 if os.environ.get("VESTIBULE_FAULTS") == "full" else 2


@contextmanager
def daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`vestibule run` with the toy shop's networks."""
    program = (
        "import sys, toyshop, vestibule.service, vestibule.cli;"
        "vestibule.service.load_models = lambda _: toyshop.toy_models();"
        f"sys.exit(vestibule.cli.main(['run', '--config', {str(config)!r}]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with (config.parent / "daemon.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(WAIT_S)


def told(payloads: Sequence[dict[str, Any]]) -> Counter[str]:
    """What was said, whenever: alerts by their rule and garments, visits by the garments at their end."""
    said = Counter[str]()
    for payload in payloads:
        garments = sorted(garment["label"] for garment in payload["garments"])
        if "rule" in payload:
            said[f"alert {payload['rule']} {garments}"] += 1
        elif payload["type"] == "end":
            said[f"visit {garments}"] += 1
    return said


@pytest.mark.slow  # a clip is played at its own pace
def test_a_broker_killed_under_the_daemon_loses_nothing_that_a_replay_finds(tmp_path: Path) -> None:
    """No frame is lost by it, so what arrives is what the same clip, the same stages and no fault give."""
    moments = random.Random(11)  # noqa: S311 - no secret hangs on it
    walks = [crossing(garment, begin_s) for garment, begin_s in (("Dress", 0.5), ("Jeans", 6), ("Blazer", 11.5))]
    video, outbox, config = clip(tmp_path / "clip.mp4", 17, *walks), tmp_path / "outbox", tmp_path / "vestibule.toml"
    with lasting_broker(tmp_path) as (broker, received):
        config.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\noutbox_file = '{outbox}'\nalert_ttl_s = 3600\n"
            "[capture]\nmax_frame_age_s = 60\n[visits]\nreentry_window_s = 0.5\nbreak_window_s = 0.5\n"
            f"[jsonl]\npath = '{tmp_path / 'seen.jsonl'}'\n[[cameras]]\nid = 'door'\nsource = '{video}'\n",
            encoding="utf-8",
        )
        with daemon(config) as process:
            while process.poll() is None:  # the film ends, and the daemon with it
                broker.kill()
                time.sleep(moments.uniform(0.5, 2.0))
                broker.restart()
                time.sleep(moments.uniform(1.0, 2.0))
            assert process.returncode == 0
        with daemon(config) as process:  # what was said at the end, while the broker was away
            committed = written(tmp_path / "seen.jsonl")
            wait_until(lambda: set(received_ids(received)) >= set(committed), "all that was committed")
            process.kill()
        arrived = [payload for payload in events_in(received) if payload["event_id"] in committed]
    replay(load(config), ReplayOptions(files=(video,), out=tmp_path / "replay.jsonl"), models=toy_models())
    lines = (tmp_path / "replay.jsonl").read_text(encoding="utf-8").splitlines()
    expected = told([json.loads(line)["payload"] for line in lines])
    assert told(arrived) == expected
    assert expected.total() == 5, expected  # three visits, and alerts for the dress and the blazer
    assert len(received_ids(received)) == len(set(received_ids(received)))


def written(path: Path) -> list[str]:
    """The event ids of the whole lines of the events file."""
    *whole, _torn = (path.read_bytes() if path.exists() else b"").split(b"\n")
    return [json.loads(line)["payload"]["event_id"] for line in whole]


@pytest.mark.slow  # the daemon is started again and again, and plays a few seconds of video each time
def test_a_daemon_killed_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(3)  # noqa: S311 - no secret hangs on it
    video = clip(tmp_path / "clip.mp4", 12, *(crossing("Dress", begin_s) for begin_s in (0, 3, 6, 9)))
    seen, outbox, config = tmp_path / "seen.jsonl", tmp_path / "outbox", tmp_path / "vestibule.toml"
    away = range(KILLS // 3, 2 * KILLS // 3)
    committed: set[str] = set()
    left_behind: list[int] = []
    with lasting_broker(tmp_path) as (broker, received):
        config.write_text(
            f"[mqtt]\nport = {broker.port}\noutbox_file = '{outbox}'\nalert_ttl_s = 3600\n[jsonl]\npath = '{seen}'\n"
            "[visits]\nreentry_window_s = 1\n"
            f"[[cameras]]\nid = 'door'\nsource = '{video}'\n[[cameras]]\nid = 'floor'\nsource = '{video}'\n",
            encoding="utf-8",
        )
        for run in range(KILLS):
            if run == away.start:
                broker.stop()  # what these runs say is in the file and nowhere else
            elif run == away.stop:
                broker.restart()
            before = len(written(seen))
            with daemon(config) as process:
                wait_until(lambda before=before: len(written(seen)) > before, "an event")  # type: ignore[misc]
                time.sleep(moments.uniform(0.0, 2.0))
                process.kill()
                assert process.wait(WAIT_S) == -signal.SIGKILL
            waiting = waiting_on_disk(outbox)
            left_behind.append(len(waiting))
            committed |= {*waiting, *written(seen)}
        before = len(written(seen))
        with daemon(config) as process:
            wait_until(lambda: set(received_ids(received)) >= committed, "all that was committed")
            wait_until(lambda: len(written(seen)) > before, "an event of the last run, which then minds signals")
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S) == 0
        committed |= set(written(seen))
        wait_until(lambda: set(received_ids(received)) >= committed, "what was said at the end")
    assert waiting_on_disk(outbox) == []
    assert left_behind[away.stop - 1] >= len(away)
    figures = {"kills": KILLS, "committed": len(committed), "received": len(received_ids(received))}
    print("figures:", json.dumps({**figures, "waiting_after_each_kill": left_behind}))  # noqa: T201 - for docs/reliability.md
