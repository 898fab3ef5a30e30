"""Person detectors: frames in, boxes of people out."""

from vestibule.config import DetectorConfig as DetectorConfig
