"""RabbitMQ, PostgreSQL and S3 to try things on, until Ctrl-C: ``PYTHONPATH=tests .venv/bin/python -m testservers``.

Prints what points a system at them, for ``eval``, and what points the tests at them.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack

from testservers.broker_source import find_source
from testservers.postgres import PrivatePostgres, find_postgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3


def _say(line: str) -> None:
    print(f"# {line}", flush=True)  # noqa: T201 - a comment for the shell


def main() -> None:
    """Start, tell, wait, end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        rabbit = stack.enter_context(PrivateRabbit(find_source(_say)))
        postgres = stack.enter_context(PrivatePostgres(find_postgres(_say)))
        s3 = stack.enter_context(PrivateS3())
        management = f"http://guest:guest@127.0.0.1:{rabbit.ports['management']}"
        variables = {
            "AZAION_PLATFORM__STREAMS_URL": rabbit.stream_url,
            "AZAION_PLATFORM__JOBS_URL": rabbit.amqp_url,
            "AZAION_PLATFORM__LEDGER_URL": postgres.new_database(),
            "AZAION_PLATFORM__BLOBS_URL": f"s3://{s3.new_bucket()}/blobs",
            "AZAION_PLATFORM__RELEASES_URL": f"s3://{s3.new_bucket()}/releases",
            "AZAION_PLATFORM__S3_ENDPOINT_URL": s3.endpoint_url,
            "AZAION_PLATFORM__S3_ACCESS_KEY": s3.access_key,
            "AZAION_PLATFORM__S3_SECRET_KEY": s3.secret_key,
            "AZAION_TEST_RABBITMQ": f"{management},{rabbit.stream_url},{rabbit.amqp_url}",
            "AZAION_TEST_POSTGRES": postgres.url(),
            "AZAION_TEST_S3": s3.endpoint_url.replace("//", f"//{s3.access_key}:{s3.secret_key}@"),
        }
        for name, value in variables.items():
            print(f"export {name}='{value}'")  # noqa: T201
        _say(f"RabbitMQ's files: {rabbit.folder}")
        _say("ready; Ctrl-C ends them")
        try:
            signal.pause()
        except KeyboardInterrupt:
            _say("ending them")


if __name__ == "__main__":
    main()
