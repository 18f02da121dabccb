"""A device put together: where releases come from, how they are opened, what executes them. Knows concrete classes."""

from __future__ import annotations

import platform as machine
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from azaion_common.contracts.events import ModelPublished
from azaion_common.core.errors import AzaionError
from azaion_common.packages import FleetKeyWrapper, load_fleet_key, load_trusted_keys, verified
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.storage.files import FileBlobStore
from azaion_inferencer.adapters.account_file import read_account
from azaion_inferencer.adapters.device_seal import DeviceSeal
from azaion_inferencer.adapters.kept_releases import KeptRelease, KeptReleases
from azaion_inferencer.adapters.release_download import ReleaseDownload
from azaion_inferencer.adapters.release_feed import ReleaseFeed
from azaion_inferencer.announcements import Rules
from azaion_inferencer.model_slot import LoadedModel, warmed
from azaion_inferencer.ports import Fetched, ReleasedModel
from azaion_inferencer.settings import InferencerSettings
from azaion_inferencer.trial import TrialJob
from azaion_inferencer.trying import try_out
from azaion_vision.runtimes import load, runtime_version
from azaion_vision.runtimes.outputs import Thresholds

if TYPE_CHECKING:
    import httpx

API_TIMEOUT_S = 30.0
DEFAULT_CONFIDENCE = 0.25
"""For a class that was released without a score of its own."""
_MIB = 1 << 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Trust:
    """Which announcements are believed: those signed by a key in the file ``keys``.

    A home whose log is its own believes the log while no publisher has made a key for it: whoever can write the one can
    write the other.
    """

    keys: Path
    has_own_log: bool

    def __call__(self, announced: ModelPublished) -> ReleasedModel:
        """Raises: PermanentError as ``packages.verified``, ``release_key_missing``, ``release_key_invalid``."""
        if self.has_own_log and not self.keys.exists():
            return announced
        return verified(announced, load_trusted_keys(self.keys))

    def name(self) -> str:
        """Changes when other keys are believed."""
        with suppress(AzaionError):
            return " ".join(sorted(load_trusted_keys(self.keys)))
        return ""


@dataclass(frozen=True)
class Device:
    """Where models come from and what runs them."""

    feed: ReleaseFeed
    download: ReleaseDownload
    kept: KeptReleases
    trust: Trust
    settings: InferencerSettings

    def load(self, release: ReleasedModel, content: bytes) -> LoadedModel:
        """``content``, tried in a child if this device has not run it before, in the runtime, warmed. Blocks.

        Raises:
            PermanentError: when the runtime cannot be had or refuses the model.
            TransientError: ``trial_failed``.
        """
        if not self._is_proven(release):
            try_out(content, self._trial(release, content))
        model = load(
            content,
            runtime=self.settings.runtime,
            threads=self.settings.threads,
            precision=self.settings.precision,
            accelerator=self.settings.accelerator,
            thresholds=thresholds(release, self.settings.confidence),
        )
        return warmed(LoadedModel(release.model_id, model, dict(enumerate(release.class_colours))))

    def keep(self, release: ReleasedModel, fetched: Fetched) -> None:
        """Remember a release that runs now, to start with it. What cannot be kept is told, and runs all the same. Blocks."""
        try:
            self.kept.accept(release)
            self.kept.keep(release, fetched.small, self._way_of_running(release))
        except AzaionError as error:
            _log.warning("release.not_kept", release=release.release, code=error.code, error=error.message)

    def start_with(self) -> tuple[ReleasedModel, LoadedModel] | None:
        """The newest of the kept releases that still is what was signed, and runs; None when there is none. Blocks; asks nobody."""
        for release, kept in self._believable():
            try:
                content = self.download.open_kept(release, self.kept.small(kept))
                return release, self.load(release, content)
            except AzaionError as error:
                _log.warning(
                    "release.kept_unusable", release=release.release, code=error.code, error=error.message
                )
        return None

    def _believable(self) -> Iterator[tuple[ReleasedModel, KeptRelease]]:
        for kept in self.kept.releases():
            try:
                yield self.trust(kept.release), kept
            except AzaionError as error:
                _log.warning(
                    "release.kept_unusable",
                    release=kept.release.release,
                    code=error.code,
                    error=error.message,
                )

    def _trial(self, release: ReleasedModel, content: bytes) -> TrialJob:
        return TrialJob(
            model_id=release.model_id,
            runtime=self.settings.runtime,
            precision=self.settings.precision,
            accelerator=self.settings.accelerator,
            threads=self.settings.threads,
            deadline_s=self.settings.trial_timeout_s,
            memory_bytes=self.settings.trial_memory_mb * _MIB + 4 * len(content),
        )

    def _is_proven(self, release: ReleasedModel) -> bool:
        wanted = self._way_of_running(release)
        return any(each.proven == wanted for each in self.kept.releases())

    def _way_of_running(self, release: ReleasedModel) -> str:
        """Everything on which it depends whether a trial that went well would do so again."""
        settings = self.settings
        return " ".join(
            (
                release.plaintext_sha256,
                runtime_version(settings.runtime, settings.accelerator),
                settings.precision,
                settings.accelerator,
                str(settings.threads),
                machine.machine(),
                machine.node(),
            )
        )


def thresholds(release: ReleasedModel, confidence: float | None) -> Thresholds:
    """The score that each class has to reach: ``confidence`` for all, or else what the release says."""
    if confidence is not None:
        return Thresholds(confidence)
    by_class = {
        class_id: release.thresholds[name]
        for class_id, name in enumerate(release.class_names)
        if name in release.thresholds
    }
    return Thresholds(DEFAULT_CONFIDENCE, by_class=by_class)


@asynccontextmanager
async def open_device(platform: Platform, settings: InferencerSettings) -> AsyncIterator[Device]:
    """The device of this home. Nothing is asked of anybody yet."""
    home = platform.home
    trust = Trust(home / settings.release_key, has_own_log=platform.settings.streams_url is None)
    kept = KeptReleases(
        home / "inferencer", settings.target, DeviceSeal(home / settings.seal_key), trust.name
    )
    yield Device(
        feed=ReleaseFeed(platform.log, Rules(settings.target, trust, settings.max_release_jump), kept.floor),
        download=ReleaseDownload(
            open_api=lambda: _open_api(platform.api_url),
            account=lambda: read_account(home / settings.account),
            open_store=platform.open_releases,
            wrapper=lambda: FleetKeyWrapper(load_fleet_key(home / settings.fleet_key)),
            cache=kept.parts,
            own_small=_SmallPartsOf(home),
        ),
        kept=kept,
        trust=trust,
        settings=settings,
    )


def _open_api(url: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    import httpx  # noqa: PLC0415 - a start from the cache does without it

    return httpx.AsyncClient(base_url=url, timeout=API_TIMEOUT_S)


@dataclass(frozen=True)
class _SmallPartsOf:
    """Small parts in the files of an API on this home; whoever asks compares the hash."""

    home: Path

    def __call__(self, sha256: str) -> bytes | None:
        with suppress(OSError):
            return FileBlobStore(self.home / "api" / "resources").path(sha256).read_bytes()
        return None
