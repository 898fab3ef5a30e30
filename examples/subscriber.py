"""Prints alerts and who goes; misses none while it or the broker is away. With --claim-as it goes to every customer.

    MQTT_PASSWORD=... python subscriber.py --host broker.lan --port 8883 --ca broker-ca.pem --user staff --site store

Needs Python 3.11 and paho-mqtt 2. docs/events.md says what the messages mean.
"""

import argparse
import json
import os
import secrets
import sys
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

REMEMBERED = 10_000
SESSION_EXPIRY_S = 7 * 86_400
CLAIM_EXPIRY_S = 60


class StaffApp:
    """What this app does with a message; told of each once, whatever the network does."""

    def __init__(self, client: Client, claim_as: str | None) -> None:
        self._client, self._claim_as = client, claim_as
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def handle(self, message: MQTTMessage) -> None:
        """Print an alert or a claim; leave alone what is neither, has come before, or is of a version to come."""
        if not message.payload:
            return  # the claim's state was cleared: the customer has gone
        payload: dict[str, Any] = json.loads(message.payload)
        if payload["schema_version"] != 1 or not self._is_new(payload["site"], payload["event_id"]):
            return
        if message.topic.endswith("/claim/state"):
            if not message.retain:  # else it is how things stood before we came
                self._print(payload["claimed_at_s"], payload["camera"], f"{payload['by']} goes")
            return
        self._print(payload["raised_at_s"], payload["camera"], payload["summary"])
        if self._claim_as is not None:
            self._claim(f"{message.topic}/{payload['alert_id']}/claim/set", self._claim_as)

    def _is_new(self, site: str, event_id: str) -> bool:
        if (site, event_id) in self._seen:
            return False
        self._seen[site, event_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _claim(self, topic: str, by: str) -> None:
        claim = {"schema_version": 1, "by": by, "claim_id": secrets.token_urlsafe(12)}
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.MessageExpiryInterval = CLAIM_EXPIRY_S  # a claim that comes later is of no use to anybody
        self._client.publish(topic, json.dumps(claim), qos=1, properties=properties)

    def _print(self, at_s: float, camera: str, text: str) -> None:
        line = f"{datetime.fromtimestamp(at_s).astimezone():%H:%M:%S} {camera}  {text}"
        print("".join(sign if sign.isprintable() else "?" for sign in line), flush=True)


def run(args: argparse.Namespace) -> None:
    """Stay connected until interrupted."""
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=args.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
    )
    app = StaffApp(client, args.claim_as)
    alerts = f"{args.prefix}/{args.site}/alerts"

    def subscribe(client: Client, _: object, _flags: ConnectFlags, reason: ReasonCode, *_more: object) -> None:
        print(f"broker: {reason}", file=sys.stderr, flush=True)
        if not reason.is_failure:
            client.subscribe([(alerts, 1), (f"{alerts}/+/claim/state", 1)])

    def receive(client: Client, _: object, message: MQTTMessage) -> None:
        try:
            app.handle(message)
        except (ValueError, KeyError, TypeError) as error:
            print(f"not understood on {message.topic!r}: {error!r}", file=sys.stderr, flush=True)
        client.ack(message.mid, message.qos)  # only now: what is under way when we are killed comes again

    client.on_connect, client.on_message = subscribe, receive
    if args.user:
        client.username_pw_set(args.user, os.environ.get("MQTT_PASSWORD"))
    if args.ca:
        client.tls_set(args.ca)
    client.reconnect_delay_set(1, 30)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    session.SessionExpiryInterval = SESSION_EXPIRY_S
    # Never a clean start: the broker keeps our subscription, and what it has for us, while we are away.
    client.connect_async(args.host, args.port, keepalive=30, clean_start=False, properties=session)
    client.loop_forever(retry_first_connection=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Prints a store's alerts and who goes to which customer.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca", metavar="FILE", help="the certificate authority's certificate; turns TLS on")
    parser.add_argument("--user", help="the broker's; its password is read from the variable MQTT_PASSWORD")
    parser.add_argument("--prefix", default="vestibule")
    parser.add_argument("--site", default="store")
    parser.add_argument("--client-id", default="vestibule-example", help="one for each device, always the same")
    parser.add_argument("--claim-as", metavar="NAME", help="claim every alert in this name")
    try:
        run(parser.parse_args(argv))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
