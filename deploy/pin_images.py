"""Write compose.pinned.yaml: every image that is not ours by the digest that its tag has now.

A tag can be moved to other bytes by whoever owns it; a digest cannot. Asks the registries, through Docker.

    python3 deploy/pin_images.py && docker compose -f compose.yaml -f compose.pinned.yaml up -d
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = "azaion/"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def images_of(config: str) -> dict[str, str]:
    """Images of others, by service, of what ``docker compose config --format json`` prints."""
    services = json.loads(config)["services"]
    return {name: each["image"] for name, each in services.items() if not each["image"].startswith(OURS)}


def pinned(images: dict[str, str], digest_of: Callable[[str], str]) -> str:
    """The override file; the tag stays readable beside the digest."""
    digests = {image: digest_of(image) for image in set(images.values())}
    lines = [f"  {name}: {{image: {image}@{digests[image]}}}" for name, image in sorted(images.items())]
    return "\n".join(["# Written by deploy/pin_images.py.", "services:", *lines, ""])


def registry_digest(image: str) -> str:
    """What the registry says; it ends the program where it cannot be asked."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _DIGEST.search(done.stdout)
    if done.returncode or found is None:
        sys.exit(f"error: {image}: {done.stderr.strip() or 'the registry names no digest'}")
    return found[0]


def main() -> None:
    command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
    config = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if config.returncode:
        sys.exit(f"error: {config.stderr.strip()}")
    images = images_of(config.stdout)
    (ROOT / "compose.pinned.yaml").write_text(pinned(images, registry_digest))
    print(f"compose.pinned.yaml: {len(set(images.values()))} images by digest")


if __name__ == "__main__":
    main()
