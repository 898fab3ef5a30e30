"""A daemon whose inference server is away: what the administrator is told, and that staff are told all the same."""

import json
import signal
from pathlib import Path

from daemon_process import daemon
from inference_process import inference_server, needs_server
from mqtt_client import listening, needs_mosquitto, on_topic, wait_until
from relay import make_certificate
from toyshop import clip, crossing

from vestibule.broker import Mosquitto
from vestibule.classifiers import SHIPPED
from vestibule_models.artifact import GarmentManifest, load_manifest
from vestibule_models.serving_name import serving_name

TOY_DETECTOR = """
from vestibule.classifiers import build_classifier
from vestibule.stages import Models
vestibule.service.load_models = lambda settings: Models(
    detector=toyshop.ToyDetector(), classifier=build_classifier(settings.classifier)
)
"""


@needs_server
@needs_mosquitto
def test_a_server_that_is_away_is_told_until_it_answers(tmp_path: Path) -> None:
    manifest, config = load_manifest(SHIPPED), tmp_path / "vestibule.toml"
    assert isinstance(manifest, GarmentManifest)
    video = clip(tmp_path / "walks.mp4", 80, *(crossing("Dress", 2.0 + 4 * number) for number in range(19)))
    certificate = make_certificate(tmp_path / "server.pem", "DNS:localhost,IP:127.0.0.1")
    with (
        Mosquitto() as broker,
        inference_server(SHIPPED, serving_name(manifest), certificate) as server,
        listening(broker.port, "vestibule/store/health") as received,
    ):
        server.kill()
        config.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\n"
            "[classifier]\nruntime = 'kserve'\nthreads = 1\n"
            f"[classifier.remote]\naddress = '{server.address}'\ndeadline_ms = 5000\n"
            f"[[cameras]]\nid = 'door'\nsource = '{video}'\n",
            encoding="utf-8",
        )
        with daemon(config, patch=TOY_DETECTOR) as running:
            wait_until(lambda: b'"degraded"' in b"".join(on_topic(received, "/health")), "the health says so")
            problems = json.loads(on_topic(received, "/health")[-1])["problems"]
            away = running.scrape("/metrics")[1]
            server.start()
            wait_until(lambda: b'"ok"' in on_topic(received, "/health")[-1], "the health says that it answers")
            back = running.scrape("/metrics")[1]
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    assert len(problems) == 1
    who = f"inference server {server.address}, model {serving_name(manifest)}"
    assert problems[0].startswith(f"this box classifies alone: {who}: cannot be reached; is it running, ")
    assert 'vestibule_classified_crops_total{by="server"} 0.0' in away
    assert 'vestibule_classified_crops_total{by="box"} 0.0' not in away
    assert 'vestibule_classified_crops_total{by="server"} 0.0' not in back
