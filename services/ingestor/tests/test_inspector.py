"""Pictures that were seen are known again, as long as they are remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from azaion_annotations.picture_limits import PictureLimits
from azaion_annotations.pictures import PictureFacts
from azaion_common.core.errors import PermanentError
from azaion_ingestor.inspector import REMEMBERED, Inspector

FACTS = PictureFacts("image/jpeg", 640, 480, "0" * 16)


@pytest.fixture
def inspector() -> Inspector:
    return Inspector(PictureLimits())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_known_picture_is_not_decoded_again(inspector: Inspector) -> None:
    """What was remembered is told of bytes that nobody could decode."""
    inspector.remember(sha256(b"seen"), FACTS)

    assert inspector.inspect_again(b"seen") == FACTS
    with pytest.raises(PermanentError, match="neither a JPEG nor a PNG"):
        inspector.inspect(b"seen")


def test_an_unknown_picture_is_looked_at(inspector: Inspector, picture: Callable[..., bytes]) -> None:
    """An edit may bring a picture that nobody has seen."""
    facts = inspector.inspect_again(picture(width=80, height=60))

    assert facts is not None
    assert facts.width == 80


def test_the_oldest_is_forgotten(inspector: Inspector) -> None:
    """The memory does not grow for ever."""
    inspector.remember(sha256(b"old"), FACTS)
    for number in range(REMEMBERED):
        inspector.remember(f"{number:064}", FACTS)

    with pytest.raises(PermanentError):
        inspector.inspect_again(b"old")
