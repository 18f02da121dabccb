"""Whether one more login attempt is allowed. Pure: the time is passed in.

What is counted are *different* wrong passwords. A device with an old password says the same one again and again: it is
slowed down, and those that share its address and account are not. Who guesses says many, and is stopped: for an
account from one address, from one address at all accounts, and for an account from all addresses together. The last
leaves addresses from which the account was logged in to before as they are, so that strangers cannot lock it out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count

_MAX_KEYS = 10_000
_ADDRESS_FACTOR = 4
"""One address may serve several people."""
_ACCOUNT_FACTOR = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login: from where, as whom, and a digest that tells its password from others."""

    address: str
    account: str
    guess: bytes = field(repr=False)


class Throttle:
    """At most ``attempts`` wrong passwords per account and address within ``window_s``, right ones forgiven.

    An attempt is counted before its password is checked, so that many at once cannot slip through together.
    """

    def __init__(self, window_s: float, attempts: int) -> None:
        self._attempts = attempts
        self._most_of_address = attempts * _ADDRESS_FACTOR
        self._most_of_account = attempts * _ACCOUNT_FACTOR
        self._key = secrets.token_bytes(32)
        self._serial = count()
        self._of_address = _Recent(window_s)
        self._of_account = _Recent(window_s)
        self._of_pair = _Recent(window_s)
        self._repeated = _Recent(window_s)
        self._known: dict[tuple[str, str], None] = {}

    def attempt(self, address: str, account: str, password: str) -> Attempt:
        """What is counted of a login; the password cannot be had back from it."""
        secret = f"{account}\0{password}".encode()
        return Attempt(address, account, hashlib.blake2b(secret, key=self._key, digest_size=16).digest())

    def refuses_address(self, address: str, now: float) -> float | None:
        """The seconds for which nobody at ``address`` is heard, to be asked before anything of a login is read."""
        return self._of_address.wait_s(address, self._most_of_address, now)

    def admit(self, attempt: Attempt, now: float) -> float | None:
        """Count an attempt.

        Returns:
            None when it is allowed, else the seconds until it would be; a refused attempt is not counted.
        """
        address, account, pair = attempt.address, attempt.account, (attempt.account, attempt.address)
        waits = [self._repeated.wait_s(attempt, self._attempts, now)]
        if not self._of_pair.holds(pair, attempt.guess, now):
            waits += [
                self._of_pair.wait_s(pair, self._most_of_pair(attempt, now), now),
                self.refuses_address(address, now),
            ]
        if refused := [wait for wait in waits if wait is not None]:
            return max(refused)
        self._of_pair.add(pair, attempt.guess, now)
        self._of_address.add(address, attempt.guess, now)
        self._of_account.add(account, attempt.guess, now, most=self._most_of_account)
        return None

    def failed(self, attempt: Attempt, now: float) -> float | None:
        """It was a wrong password.

        Returns:
            The seconds for which a stranger to this account should not try again, while many try.
        """
        self._repeated.add(attempt, next(self._serial), now)
        return None if self._is_known(attempt) else self._account_wait_s(attempt, now)

    def succeeded(self, attempt: Attempt, now: float) -> None:
        """It was the right password: the attempt is taken back, and the address is known to the account."""
        pair = (attempt.account, attempt.address)
        self._of_pair.drop(pair, attempt.guess)
        self._of_address.drop(attempt.address, attempt.guess)
        self._of_account.drop(attempt.account, attempt.guess)
        self._known.pop(pair, None)
        self._known[pair] = None
        if len(self._known) > _MAX_KEYS:
            del self._known[next(iter(self._known))]

    def _most_of_pair(self, attempt: Attempt, now: float) -> int:
        """While many try at an account, an address that is new to it has one attempt: it may be the right one."""
        under_attack = self._account_wait_s(attempt, now) is not None
        return 1 if under_attack and not self._is_known(attempt) else self._attempts

    def _account_wait_s(self, attempt: Attempt, now: float) -> float | None:
        return self._of_account.wait_s(attempt.account, self._most_of_account, now)

    def _is_known(self, attempt: Attempt) -> bool:
        return (attempt.account, attempt.address) in self._known


class _Recent:
    """The different things that were noted under a key within the last ``window_s`` seconds, oldest first."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._noted: dict[Hashable, dict[Hashable, float]] = {}

    def add(self, key: Hashable, thing: Hashable, now: float, *, most: int | None = None) -> None:
        """Note ``thing``; with ``most``, the oldest beyond so many are forgotten."""
        self._make_room(now)
        things = self._noted.setdefault(key, {})
        things.pop(thing, None)
        things[thing] = now
        if most is not None and len(things) > most:
            del things[next(iter(things))]

    def drop(self, key: Hashable, thing: Hashable) -> None:
        things = self._noted.get(key, {})
        things.pop(thing, None)
        if not things:
            self._noted.pop(key, None)

    def holds(self, key: Hashable, thing: Hashable, now: float) -> bool:
        return thing in self._live(key, now)

    def wait_s(self, key: Hashable, limit: int, now: float) -> float | None:
        """How long until there are fewer than ``limit``; None when there are."""
        times = list(self._live(key, now).values())
        return times[-limit] + self._window_s - now if len(times) >= limit else None

    def _live(self, key: Hashable, now: float) -> dict[Hashable, float]:
        things = self._noted.get(key, {})
        while things and things[oldest := next(iter(things))] <= now - self._window_s:
            del things[oldest]
        return things

    def _make_room(self, now: float) -> None:
        # Keys are made of what strangers send: forget the oldest rather than grow without end.
        if len(self._noted) < _MAX_KEYS:
            return
        live = {key: things for key, things in self._noted.items() if self._live(key, now)}
        self._noted = dict(list(live.items())[-_MAX_KEYS // 2 :])
