"""Numbers and signatures of releases: both outlive the ledger, and neither can be given away by a forged event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from azaion_common.contracts.events import ModelPublished
from azaion_common.contracts.events.codec import encode
from azaion_common.contracts.events.envelope import wrap
from azaion_common.contracts.events.models import STREAM
from azaion_common.packages import load_trusted_keys, signed, trusting, verified
from azaion_common.platform.streams import Message
from azaion_publisher import tables
from azaion_publisher.adapters.key_files import pin_public_key, trusted_keys
from azaion_publisher.announced import Announced
from azaion_publisher.renewing import renew

STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)


async def announce(bench: Any, *events: ModelPublished) -> None:
    """As somebody who can write to the stream, whoever that is."""
    for event in events:
        body = encode(wrap(event=event, subject="m", producer="who", epoch=1, seq=1, stream=STREAM))
        await bench.platform.log.append(STREAM, [Message(body)])


async def lose_releases(bench: Any) -> None:
    """The ledger is made anew."""
    await bench.ledger.transact(lambda c: c.execute(tables.RELEASES.delete()))


async def as_before_signatures(bench: Any) -> ModelPublished:
    """One release as 0.1 left it: in the ledger without a key, on the stream without a signature."""
    await bench.publish()
    (event,) = await bench.events()
    await bench.ledger.transact(lambda c: c.execute(tables.RELEASES.update().values(key_id=None)))
    unsigned: ModelPublished = event.model_copy(update={"signed": None, "published_at": None})
    await bench.forget_stream()
    await announce(bench, unsigned)
    return unsigned


def believed(bench: Any, event: ModelPublished) -> ModelPublished:
    return verified(event, trusting([bench.publisher.signing_key.public_key()]))


async def test_a_release_is_announced_signed(bench: Any) -> None:
    """With the number, the model and every fact of the package inside what is signed."""
    await bench.publish()

    (event,) = await bench.events()
    assert believed(bench, event) == event
    assert event.published_at is not None


@pytest.mark.parametrize("lost", ["all", "the last two"])
async def test_a_lost_ledger_does_not_start_the_numbers_again(lost: str, bench: Any) -> None:
    """Five releases, the ledger gone or an old copy: the next is number six, which devices take."""
    for number in range(1, 6):
        await bench.publish(export=await bench.another_export(number))
    await bench.events()
    kept = 3 if lost == "the last two" else 0
    await bench.ledger.transact(
        lambda c: c.execute(tables.RELEASES.delete().where(tables.RELEASES.c.release > kept))
    )
    fresh = replace(bench.publisher, announced=Announced(bench.platform.log, bench.publisher.announced.keys))

    await bench.publish(fresh)

    assert [event.release for event in await bench.events()] == [1, 2, 3, 4, 5, 6]


async def test_a_forged_number_does_not_use_up_the_numbers(bench: Any) -> None:
    """Unsigned or signed by a stranger, release 10^9 counts for no more than one release more."""
    await bench.publish()
    (event,) = await bench.events()
    forged = event.model_copy(update={"release": 10**9})
    await announce(bench, forged.model_copy(update={"signed": None}), signed(forged, STRANGER))

    assert await bench.publisher.announced.highest() == 3


async def test_unsigned_numbers_count_after_an_upgrade(bench: Any) -> None:
    """A home of 0.1 that lost its ledger goes on above what was announced then."""
    unsigned = await as_before_signatures(bench)
    await announce(bench, unsigned.model_copy(update={"release": 2}))
    await lose_releases(bench)

    await bench.publish(export=await bench.another_export(2))

    assert [event.release for event in await bench.events()] == [1, 2, 3]


async def test_the_current_release_of_an_older_version_is_signed_at_the_first_start(bench: Any) -> None:
    """The same release under the same number, once: devices that believe signatures alone get it, too."""
    unsigned = await as_before_signatures(bench)

    for _ in range(2):
        await renew(bench.ledger, bench.publisher.announced, bench.publisher.signing_key)

    old, new = await bench.events()
    assert old == unsigned
    stated = believed(bench, new)
    assert stated.model_copy(update={"signed": None, "published_at": None}) == unsigned


async def test_a_release_below_what_devices_run_is_announced_above_it(bench: Any) -> None:
    """Where 0.1 lost its ledger and counted from 1 again, its current release gets a number that devices take."""
    unsigned = await as_before_signatures(bench)
    others = [
        unsigned.model_copy(update={"release": number, "package_id": f"{number:032x}"}) for number in (2, 3)
    ]
    await announce(bench, *others)

    await renew(bench.ledger, bench.publisher.announced, bench.publisher.signing_key)

    assert [event.release for event in await bench.events()] == [1, 2, 3, 4]
    rows = await bench.ledger.read(lambda c: c.execute(sa.select(tables.RELEASES.c.release)).scalars().all())
    assert rows == [4]


async def test_a_forged_announcement_is_never_signed(bench: Any) -> None:
    """Neither a package that the ledger does not know, nor other facts told of one that it does, after the true ones."""
    unsigned = await as_before_signatures(bench)
    altered = unsigned.model_copy(update={"class_names": ("nothing",), "wrapped_key": b"other"})
    unknown = unsigned.model_copy(update={"release": 2, "package_id": "f" * 32})
    await announce(bench, altered, unknown)

    await renew(bench.ledger, bench.publisher.announced, bench.publisher.signing_key)

    signed_ones = [event for event in await bench.events() if event.signed is not None]
    assert [believed(bench, event).class_names for event in signed_ones] == [("car",)]
    assert [event.package_id for event in signed_ones] == [unsigned.package_id]


async def test_a_new_key_signs_the_current_release(bench: Any) -> None:
    """After a change of keys, whoever pins the new one alone has something to run."""
    await bench.publish()
    await bench.events()

    await renew(bench.ledger, bench.publisher.announced, STRANGER)

    _, again = await bench.events()
    assert verified(again, trusting([STRANGER.public_key()])).release == 1


def test_the_public_key_is_left_for_devices(tmp_path: Path) -> None:
    """Written once; a file that is there, with an older key perhaps, is read and never replaced."""
    path, key = tmp_path / "release-signing.pub.pem", Ed25519PrivateKey.generate()
    path.parent.mkdir(exist_ok=True)

    pin_public_key(path, STRANGER)
    pin_public_key(path, key)

    assert load_trusted_keys(path) == trusting([STRANGER.public_key()])
    assert set(trusted_keys(path, key)) == set(trusting([STRANGER.public_key(), key.public_key()]))
