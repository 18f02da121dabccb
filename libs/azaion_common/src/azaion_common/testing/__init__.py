"""Support for tests of services: a real embedded platform in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.platform.runtime.platform import Platform, open_platform


@asynccontextmanager
async def platform(folder: Path, catalogue: Catalogue | None = None) -> AsyncIterator[Platform]:
    """The embedded platform in ``folder``; set ``stopping`` to end what runs on it."""
    async with open_platform(folder) as opened:
        yield replace(opened, catalogue=catalogue) if catalogue else opened
