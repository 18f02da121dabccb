"""Which announcements a device believes, and which of them is the one to run. Pure.

Signatures say who speaks; they do not say that it is news. So numbers only rise: what is lower than a number that was
accepted before, or the same number with another package, is an old or a double announcement, whoever plays it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from azaion_common.contracts.events import ModelPublished
from azaion_common.core.errors import PermanentError
from azaion_inferencer.ports import ReleasedModel

Believe = Callable[[ModelPublished], ReleasedModel]
"""What an announcement really says. Raises PermanentError when there is no reason to believe it."""
_ATTEMPTS = ("release_forged", "release_outdated", "release_jump")


@dataclass(frozen=True, slots=True)
class Mark:
    """A release by number and package: 0 stands for none."""

    release: int = 0
    package_id: str = ""

    @classmethod
    def of(cls, release: ReleasedModel) -> Mark:
        return cls(release.release, release.package_id)


NONE = Mark()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An announcement that was not believed, and why."""

    release: ModelPublished
    error: PermanentError


@dataclass(frozen=True, slots=True)
class Rules:
    """What this device runs, and how far release numbers may leap at once."""

    target: str
    believe: Believe
    max_jump: int


@dataclass
class Hearing:
    """Announcements heard in their order.

    ``floor`` is the highest release that this device ever ran. ``anew`` says that the stream is read from its
    beginning: what lies below the floor is then history and no attempt at anything.
    """

    rules: Rules
    floor: Mark
    anew: bool
    newest: ReleasedModel | None = None
    refusals: list[Refusal] = field(default_factory=list)
    _highest: Mark = field(init=False)

    def __post_init__(self) -> None:
        self._highest = NONE if self.anew else self.floor

    def hear(self, announced: ModelPublished) -> bool:
        """Take note of an announcement; True when it is the newest release so far."""
        try:
            release = self.rules.believe(announced)
        except PermanentError as error:
            self._doubt(announced, error)
            return False
        if release.target != self.rules.target:
            return False
        objection = self._objection(release, self._highest)
        if objection is not None:
            self.refusals.append(Refusal(release, objection))
            return False
        is_new = self.newest is None or release.release > self.newest.release
        if self.anew:
            self._leave_out_history()
        self.newest, self._highest = release, Mark.of(release)
        return is_new

    def end(self) -> None:
        """The stream has been read to its end, so that what comes from now on is news."""
        if self.anew and self.newest is not None:
            objection = self._objection(self.newest, self.floor)
            if objection is not None:
                self.refusals.append(Refusal(self.newest, objection))
                self.newest = None
        self._highest = max(self._highest, self.floor, key=lambda mark: mark.release)
        self.anew = False

    def take(self) -> tuple[ReleasedModel | None, tuple[Refusal, ...]]:
        """What was found since this was asked last."""
        found = self.newest, tuple(self.refusals)
        self.newest, self.refusals = None, []
        return found

    def _doubt(self, announced: ModelPublished, error: PermanentError) -> None:
        if announced.target != self.rules.target:
            return
        refusal = Refusal(announced, error)
        if self.anew and not self._is_attempt(refusal):
            self._leave_out_history()  # of which the last counts, should nothing better come
        self.refusals.append(refusal)

    def _leave_out_history(self) -> None:
        """What was not believed before this is of the time before signatures, or signed by older keys."""
        self.refusals = [each for each in self.refusals if self._is_attempt(each)]

    def _is_attempt(self, refusal: Refusal) -> bool:
        """A wrong signature, a number that falls, or one beyond what this device runs, is nobody's history."""
        is_beyond = 0 < self.floor.release < refusal.release.release
        return refusal.error.code in _ATTEMPTS or is_beyond

    def _objection(self, release: ReleasedModel, highest: Mark) -> PermanentError | None:
        number = release.release
        if number < highest.release:
            return PermanentError(
                "release_outdated",
                f"release {number} is older than release {highest.release}, which was accepted before",
                hint="to go back to an older model, publish it again: azaion publish MODEL",
            )
        if number == highest.release and release.package_id != highest.package_id:
            return PermanentError("release_outdated", f"another package was accepted as release {number}")
        if highest.release and number > highest.release + self.rules.max_jump:
            return PermanentError(
                "release_jump",
                f"release {number} is more than {self.rules.max_jump} beyond release {highest.release}",
                hint="see inferencer.max_release_jump",
            )
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read on in the stream: the next offset, and the SHA-256 of the record just before it."""

    offset: int = 0
    after: str = ""


START = Place()


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the stream came to.

    ``newest`` is to be run now. ``place`` is where its announcement stands (or where nothing of use came before): a
    device that reads on from there after a restart finds it again.
    """

    newest: ReleasedModel | None
    refusals: tuple[Refusal, ...]
    place: Place
