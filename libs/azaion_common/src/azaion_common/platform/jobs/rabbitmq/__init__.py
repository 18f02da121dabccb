"""``JobQueue`` on RabbitMQ's quorum queues and the ledger database.

A broker's queue cannot look a job up by its id, forget duplicates, list, cancel, or leave a job with its worker for
days. So the broker carries jobs durably from whoever puts them, and the database owns them from the moment they are
taken in.
"""

from azaion_common.platform.jobs.rabbitmq.queue import RabbitJobQueue

__all__ = ["RabbitJobQueue"]
