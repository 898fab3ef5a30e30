"""Vestibule tells a clothing store's staff, over MQTT, what an arriving customer is wearing."""
