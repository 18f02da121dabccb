"""Which models are between training and release."""

from __future__ import annotations

import pytest

from azaion_common.events import Event, ExportFailed, ModelPublished, ModelTrained, PublishFailed
from azaion_inferencer.coming import on_their_way

ID = "0123456789abcdef"
TRAINED = ModelTrained.model_construct(model_id=ID)


@pytest.mark.parametrize(
    ("events", "coming"),
    [
        ([], set()),
        ([TRAINED], {ID}),
        ([TRAINED, ModelPublished.model_construct(model_id=ID)], set()),
        ([TRAINED, ExportFailed.model_construct(model_id=ID)], set()),
        ([TRAINED, PublishFailed.model_construct(model_id=ID)], set()),
        ([TRAINED, ModelPublished.model_construct(model_id="f" * 16)], {ID}),
    ],
    ids=["nothing", "trained", "released", "not exported", "not published", "another released"],
)
def test_a_model_is_coming_until_it_is_released_or_has_failed(events: list[Event], coming: set[str]) -> None:
    """Nobody waits for a release that will not come."""
    assert on_their_way(events) == coming
