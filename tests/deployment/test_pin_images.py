"""Images by digest."""

from __future__ import annotations

import json

import pin_images
import yaml


def test_every_image_of_others_is_named_by_its_digest() -> None:
    """Ours are built here; all others are what they were when somebody looked, whatever becomes of their tags."""
    services = {
        "rabbitmq": {"image": "rabbitmq:4.0-management"},
        "exporter": {"image": "azaion/exporter:0.2.0"},
        "postgres": {"image": "postgres:17"},
    }

    images = pin_images.images_of(json.dumps({"services": services}))
    text = pin_images.pinned(images, lambda image: f"sha256:{len(image):064x}")

    assert yaml.safe_load(text)["services"] == {
        "postgres": {"image": f"postgres:17@sha256:{11:064x}"},
        "rabbitmq": {"image": f"rabbitmq:4.0-management@sha256:{23:064x}"},
    }
