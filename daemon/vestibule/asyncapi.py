"""`python -m vestibule.asyncapi [FOLDER]`: writes asyncapi.json, and events.md's table and examples, into docs/.

AsyncAPI 3.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0), from the topics, the payloads' types and
the recorded examples. The application that it describes is the daemon: `send` is what the daemon publishes.
"""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from vestibule.payloads import SCHEMA_DIR
from vestibule.topics import PARAMETERS, TOPICS, Text, Topic

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = SCHEMA_DIR / "examples.json"
_BINDING = "0.2.0"


def examples() -> dict[str, list[dict[str, Any]]]:
    """Recorded messages by the topic's name, each with `name`, `topic` and `payload` (JSON or text)."""
    recorded: dict[str, list[dict[str, Any]]] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return recorded


def document() -> dict[str, Any]:
    """The whole document."""
    recorded = examples()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vestibule",
            "version": version("vestibule"),
            "description": "What Vestibule's daemon publishes over MQTT 5, and listens to. In words: events.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "store": {
                "host": "{broker}:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5",
                "description": "The store's broker, as in deploy/mosquitto; port 8884 speaks MQTT over WebSockets.",
                "variables": {"broker": {"default": "broker.lan", "description": "Its name in the store's network."}},
                "security": [{"$ref": "#/components/securitySchemes/password"}],
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "schemas": _schemas(),
            "messages": {topic.name: _message(topic, recorded[topic.name]) for topic in TOPICS},
            "securitySchemes": {"password": {"type": "userPassword", "description": "A user of the broker."}},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.address,
        "description": topic.says,
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
        "parameters": {name: {"description": PARAMETERS[name]} for name in re.findall(r"{(\w+)}", topic.address)},
    }


def _operation_name(topic: Topic) -> str:
    return f"{'send' if topic.written_by == 'daemon' else 'receive'}{topic.name[0].upper()}{topic.name[1:]}"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "send" if topic.written_by == "daemon" else "receive",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.says,
        "description": f"Expires: {topic.expires or 'never'}.",
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{topic.name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": topic.retain, "bindingVersion": _BINDING}},
    }


def _message(topic: Topic, recorded: list[dict[str, Any]]) -> dict[str, Any]:
    is_text = isinstance(topic.payload, Text)
    return {
        "name": topic.name,
        "title": topic.name,
        "summary": topic.says,
        "contentType": "text/plain" if is_text else "application/json",
        "payload": {"$ref": f"#/components/schemas/{_schema_name(topic)}"},
        "examples": [{"name": each["name"], "summary": each["topic"], "payload": each["payload"]} for each in recorded],
    }


def _schema_name(topic: Topic) -> str:
    return topic.payload.name if isinstance(topic.payload, Text) else topic.payload.__name__


def _schemas() -> dict[str, Any]:
    models = [topic.payload for topic in TOPICS if not isinstance(topic.payload, Text)]
    texts = [topic.payload for topic in TOPICS if isinstance(topic.payload, Text)]
    _, made = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = made["$defs"]
    for text in texts:
        schemas[text.name] = {"type": "string", "pattern": text.pattern}
        if text.words:
            schemas[text.name] = {"type": "string", "enum": list(text.words)}
    return dict(sorted(schemas.items()))


def topics_table() -> str:
    """The table of topics in events.md."""
    lines = ["| topic | says | written by | retained | expires |", "|---|---|---|---|---|"]
    for topic in TOPICS:
        address = re.sub(r"{(\w+)}", lambda found: found[1].upper(), topic.address)
        retained = "yes" if topic.retain else "no"
        lines.append(f"| `{address}` | {topic.says} | {topic.written_by} | {retained} | {topic.expires or 'no'} |")
    return "\n".join(lines)


def shown_examples(name: str) -> str:
    """The recorded examples of a topic, as events.md shows them."""
    blocks = []
    for each in examples()[name]:
        payload = each["payload"]
        text = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)
        blocks.append(f"`{each['topic']}`\n\n```{'text' if isinstance(payload, str) else 'json'}\n{text}\n```")
    return "\n\n".join(blocks)


def filled(page: str) -> str:
    """Return events.md with what is between `<!-- NAME -->` and `<!-- end -->` anew; NAME: `topics`, or a topic's."""

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        text = topics_table() if name == "topics" else shown_examples(name)
        return f"<!-- {name} -->\n{text}\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", fill, page, flags=re.DOTALL)


def as_text() -> str:
    """The document as it is written."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    (folder / "asyncapi.json").write_text(as_text(), encoding="utf-8")
    page = folder / "events.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{folder / 'asyncapi.json'}\n{page}\n")
