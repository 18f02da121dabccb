"""The same loop on RabbitMQ, S3 and PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from looptest.digest import shared_outcome
from looptest.program import new_home, running, succeed, wait_until
from looptest.released import PICTURES, Released
from looptest.served import ServedEvidence, Servers
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def servers(
    rabbitmq: PrivateRabbit | GivenRabbit,
    vhost: str,
    postgres: PrivatePostgres | GivenPostgres,
    s3: PrivateS3 | GivenS3,
    monkeypatch: pytest.MonkeyPatch,
) -> Servers:
    """Servers that every command of this test is pointed at."""
    share = Servers.share(rabbitmq, vhost, postgres, s3)
    for name, value in share.environment().items():
        monkeypatch.setenv(name, value)
    return share


def test_the_loop_on_servers_comes_to_what_it_comes_to_in_a_folder(
    released: Released, servers: Servers, tmp_path: Path
) -> None:
    """The same pictures lead to the same ledgers, blobs and events, and to a release that runs."""
    home, evidence = new_home(tmp_path / "home"), ServedEvidence(servers)
    succeed("annotations", "import", released.pictures, home=home)
    with running(home):
        trained = json.loads(succeed("train", "--wait", "--json", home=home))
        wait_until(lambda: evidence.of_type("model.published"), "release")
        found = succeed("infer", released.video, "--every", "4", "--summary-json", home=home)
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
    assert not {path.name for path in home.iterdir()} & {"streams", "ledgers", "blobs", "data"}
