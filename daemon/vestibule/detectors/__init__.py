"""Person detectors: frames in, boxes of people out."""

from vestibule.sections import DetectorConfig as DetectorConfig
