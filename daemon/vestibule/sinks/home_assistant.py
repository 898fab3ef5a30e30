"""How Home Assistant learns of the daemon: one retained description of a device with its entities.

Device-based MQTT discovery (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). Home Assistant
reads our own topics; nothing else is published for it.
"""

import json
from importlib.metadata import version

from vestibule.payloads import alerts_topic, available_topic, health_topic


def status_topic(discovery_prefix: str) -> str:
    """Where Home Assistant says `online` when it has started and wants to be told again."""
    return f"{discovery_prefix}/status"


def discovery(*, site: str, prefix: str, discovery_prefix: str) -> tuple[str, bytes]:
    """Topic and payload of the description.

    Args:
        site: the store's id.
        prefix: of our own topics.
        discovery_prefix: Home Assistant's, `homeassistant` unless changed there.
    """
    device = f"vestibule-{site}"
    alerts = alerts_topic(prefix, site)
    payload = {
        "device": {"identifiers": [device], "name": f"Vestibule {site}", "sw_version": version("vestibule")},
        "origin": {"name": "vestibule", "sw_version": version("vestibule")},
        "availability_topic": available_topic(prefix, site),
        "qos": 1,
        "components": {
            "alert": {
                "platform": "event",
                "unique_id": f"{device}-alert",
                "name": "Alert",
                "icon": "mdi:hanger",
                "state_topic": alerts,
                "event_types": ["alert"],
                "value_template": "{{ dict(value_json, event_type='alert') | to_json }}",
            },
            "last_alert": {
                "platform": "sensor",
                "unique_id": f"{device}-last-alert",
                "name": "Last alert",
                "icon": "mdi:hanger",
                "state_topic": alerts,
                "value_template": "{{ value_json.summary }}",
                "json_attributes_topic": alerts,
            },
            "problem": {
                "platform": "binary_sensor",
                "unique_id": f"{device}-problem",
                "name": "Problem",
                "device_class": "problem",
                "entity_category": "diagnostic",
                "state_topic": health_topic(prefix, site),
                "value_template": "{{ 'OFF' if value_json.status == 'ok' else 'ON' }}",
                "json_attributes_topic": health_topic(prefix, site),
            },
        },
    }
    return f"{discovery_prefix}/device/{device}/config", json.dumps(payload, separators=(",", ":")).encode()
