"""Which models are between training and release."""

from __future__ import annotations

from typing import Any

import pytest

from azaion_common.contracts.events import Event, ExportFailed, ModelPublished, ModelTrained, PublishFailed
from azaion_inferencer.coming import on_their_way

ID = "0123456789abcdef"


def told(kind: Any, model_id: str = ID) -> Event:
    """An event of ``kind`` of which only the model counts."""
    event: Event = kind.model_construct(model_id=model_id)
    return event


TRAINED = told(ModelTrained)


@pytest.mark.parametrize(
    ("events", "coming"),
    [
        ([], set()),
        ([TRAINED], {ID}),
        ([TRAINED, told(ModelPublished)], set()),
        ([TRAINED, told(ExportFailed)], set()),
        ([TRAINED, told(PublishFailed)], set()),
        ([TRAINED, told(ModelPublished, "f" * 16)], {ID}),
    ],
    ids=["nothing", "trained", "released", "not exported", "not published", "another released"],
)
def test_a_model_is_coming_until_it_is_released_or_has_failed(events: list[Event], coming: set[str]) -> None:
    """Nobody waits for a release that will not come."""
    assert on_their_way(events) == coming
