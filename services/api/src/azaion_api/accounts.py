"""Accounts: argon2id passwords, and a login that tells nobody which e-mail addresses exist."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select, update

from azaion_api.ports import Database, Readings
from azaion_api.tables import USERS
from azaion_api.tokens import Identity, Role
from azaion_common.core.errors import PermanentError, TransientError

_HASHERS_AT_ONCE = 2
_WAITING_AT_MOST = 64


def standard_hasher() -> PasswordHasher:
    """Argon2id with 64 MiB, 3 passes, 1 lane (OWASP's and RFC 9106's low-memory advice, rounded up)."""
    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)


class AuthDeniedError(PermanentError):
    """The account does not exist, or has another password."""

    def __init__(self) -> None:
        super().__init__("auth_denied", "wrong e-mail address or password")


@dataclass
class Accounts:
    """Who may log in. Hashing runs in threads, few at a time: each takes 64 MiB."""

    database: Database
    readings: Readings
    hasher: PasswordHasher = field(default_factory=standard_hasher)

    def __post_init__(self) -> None:
        self._nobody = self.hasher.hash("a password that nobody has")
        self._slots = asyncio.Semaphore(_HASHERS_AT_ONCE)
        self._being_checked: dict[tuple[str, str], asyncio.Task[Identity]] = {}

    async def authenticate(self, email: str, password: str) -> Identity:
        """Check a password, in the same time and with the same answer whether or not the account exists.

        Devices that share an account and log in at the same moment share the check.

        Raises:
            AuthDeniedError: wrong address or password.
            TransientError: ``logins_busy``; what the database says.
        """
        key = (email.lower(), password)
        if key not in self._being_checked:
            if len(self._being_checked) >= _WAITING_AT_MOST:
                raise TransientError("logins_busy", "too many logins are being checked")
            task = asyncio.create_task(self._check(*key))
            task.add_done_callback(lambda _: self._being_checked.pop(key))
            self._being_checked[key] = task
        return await asyncio.shield(self._being_checked[key])

    async def _check(self, email: str, password: str) -> Identity:
        found = await self.readings.read(lambda connection: _find(connection, email))
        password_hash, role = found or (self._nobody, Role.DEVICE)
        matches = await self._matches(password_hash, password)
        if found is None or not matches:
            raise AuthDeniedError
        if self.hasher.check_needs_rehash(password_hash):
            await self.set_password(email, password, role)
        return Identity(email, role)

    async def ensure(self, email: str, password: str, role: Role) -> None:
        """Make the account exist with this password and role."""
        email = email.lower()
        found = await self.database.read(lambda connection: _find(connection, email))
        if found is None or found[1] is not role or not await self._matches(found[0], password):
            await self.set_password(email, password, role)

    async def set_password(self, email: str, password: str, role: Role) -> None:
        async with self._slots:
            password_hash = await asyncio.to_thread(self.hasher.hash, password)
        await self.database.transact(lambda connection: _store(connection, email, password_hash, role))

    async def _matches(self, password_hash: str, password: str) -> bool:
        async with self._slots:
            return await asyncio.to_thread(self._verify, password_hash, password)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self.hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _find(connection: Connection, email: str) -> tuple[str, Role] | None:
    row = connection.execute(select(USERS).where(USERS.c.email == email)).one_or_none()
    return (row.password_hash, Role(row.role)) if row else None


def _store(connection: Connection, email: str, password_hash: str, role: Role) -> None:
    values = {"password_hash": password_hash, "role": role.value}
    if not connection.execute(update(USERS).where(USERS.c.email == email).values(values)).rowcount:
        connection.execute(USERS.insert().values(email=email, **values))
