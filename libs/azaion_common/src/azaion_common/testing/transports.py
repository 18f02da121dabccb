"""Types of the factories that the behaviour suites get their transports from."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.streams import EventLog

OpenLog = Callable[[], AbstractAsyncContextManager[EventLog]]
OpenQueue = Callable[[], AbstractAsyncContextManager[JobQueue]]
