"""The same loop on RabbitMQ, S3 and PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from looptest.digest import shared_outcome
from looptest.program import new_home, running, succeed, wait_until
from looptest.released import PICTURES, Released
from looptest.served import ServedEvidence, Servers

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_loop_on_servers_comes_to_what_it_comes_to_in_a_folder(
    released: Released, servers: Servers, tmp_path: Path
) -> None:
    """The same pictures lead to the same ledgers, blobs and events, and to a release that runs."""
    home, evidence = new_home(tmp_path / "home"), ServedEvidence(servers)
    succeed("annotations", "import", released.pictures, home=home)
    with running(home):
        trained = json.loads(succeed("train", "--wait", "--json", home=home))
        wait_until(lambda: evidence.of_type("model.published"), "release")
        found = succeed("infer", released.video, "--every", "4", "--json", home=home)
        wait_until(evidence.settled, "rest")

    assert trained["outcome"] == "trained"
    assert len(evidence.picture_rows()) == PICTURES
    assert shared_outcome(evidence) == shared_outcome(released.evidence)
    assert evidence.torn_blobs() == []
    assert json.loads(found.splitlines()[-1])["frames"]["inferred"] == 10
    books = json.loads(succeed("doctor", "--json", home=home))
    assert books["balanced"]
    assert [stream["pending"] for each in books["services"] for stream in each["streams"]] == [0] * sum(
        len(each["streams"]) for each in books["services"]
    )
    assert not {path.name for path in home.iterdir()} & {"streams", "ledgers", "blobs", "releases", "data"}
