"""Looks for every secret of a rehearsal in everything that somebody else may see."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehearsal.engine import RehearsalError, run
from rehearsal.stack import Stack

_SHORTEST = 12


def canaries(folder: Path) -> list[bytes]:
    """The values that must be seen nowhere: passwords, keys, addresses with passwords."""
    found = set()
    for path in (each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes().strip()
        if path.suffix == ".json" and b'"password"' in content:
            content = json.loads(content)["password"].encode()
        if path.name.endswith(".json") and b"identities" in content:
            continue  # its secret has a file of its own
        if path.suffix == ".pem" and b"PRIVATE KEY" not in content:
            continue  # a certificate, or a public key
        if path.suffix == ".pem":
            content = content.splitlines()[1]
        if b"\n" not in content and len(content) >= _SHORTEST:
            found.add(content)
    return sorted(found)


def check(stack: Stack, secrets: Path, images: list[str]) -> dict[str, int]:
    """How many bytes were looked through, place by place.

    Raises:
        RehearsalError: a secret was found; the text says where, not which.
    """
    wanted = canaries(secrets)
    looked = {}
    for place, content in _places(stack):
        for canary in wanted:
            if canary in content:
                raise RehearsalError(f"a secret stands in {place}")
        looked[place] = len(content)
    for image in images:
        _check_image(stack, image, wanted)
        looked[f"image {image}"] = int(stack.docker("image", "inspect", "-f", "{{.Size}}", image))
    return looked


def _places(stack: Stack) -> Iterator[tuple[str, bytes]]:
    yield "logs", stack.compose("logs", "--no-color").encode()
    containers = stack.compose("ps", "-aq").split()
    yield "docker inspect", stack.docker("inspect", *containers).encode()
    ours = [
        each["Service"]
        for each in stack.containers()
        if each["Image"].startswith("azaion/") and each["State"] == "running"
    ]
    pages = [stack.compose("exec", "-T", service, "python", "-c", _FETCH) for service in ours]
    yield "metrics", "".join(pages).encode()
    with tempfile.TemporaryDirectory() as folder:
        stack.docker(
            "cp", f"{stack.compose('ps', '-q', 'rabbitmq').strip()}:/var/lib/rabbitmq/mnesia", folder
        )
        segments = sorted(Path(folder).rglob("*.segment"))
        yield "events", b"".join(path.read_bytes() for path in segments)


_FETCH = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9400/metrics', timeout=10).read().decode())"


def _check_image(stack: Stack, image: str, wanted: list[bytes]) -> None:
    """Files of the image, and the commands that built it."""
    history = stack.docker("history", "--no-trunc", image).encode()
    if any(canary in history for canary in wanted):
        raise RehearsalError(f"a secret stands in the history of {image}")
    with tempfile.TemporaryDirectory() as folder:
        patterns = Path(folder) / "patterns"
        patterns.write_bytes(b"\n".join(each for each in wanted if b"\n" not in each) + b"\n")
        Path(folder).chmod(0o755)
        command = [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "--user",
            "0",
            "--entrypoint",
            "sh",
            "-v",
            f"{folder}:/canaries:ro",
            image,
        ]
        script = "grep -rlaF -f /canaries/patterns --exclude-dir=proc --exclude-dir=sys --exclude-dir=canaries /opt /var /etc /home /root /srv || true"
        found = run(*command, "-c", script, environment=stack.environment)
    if found.strip():
        raise RehearsalError(f"a secret stands in {image}: {found.splitlines()[0]}")
