"""What lies beside a model's file: ``azaion models get`` writes class names, colours and scores into ``FILE.json``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from azaion_common.contracts.events.models import ScoreThresholds
from azaion_common.core.errors import PermanentError
from azaion_vision.runtimes.outputs import Thresholds


class ModelFacts(BaseModel):
    """The part of the file that matters here; other tools may add to it."""

    class_names: tuple[str, ...] = ()
    class_colours: tuple[str, ...] = ()
    thresholds: ScoreThresholds = {}

    def scores(self) -> Thresholds | None:
        """The score from which each class is worth showing; None where nothing is said about it."""
        by_class = {
            class_id: self.thresholds[name]
            for class_id, name in enumerate(self.class_names)
            if name in self.thresholds
        }
        return Thresholds(by_class=by_class) if by_class else None

    def colours(self) -> dict[int, str]:
        """The colour of each class."""
        return dict(enumerate(self.class_colours))


def read_facts(model: Path) -> ModelFacts:
    """What lies beside the file ``model``; nothing is no error.

    Raises:
        PermanentError: ``model_facts_invalid``.
    """
    path = model.with_name(f"{model.name}.json")
    try:
        return ModelFacts.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ModelFacts()
    except (OSError, ValidationError) as error:
        raise PermanentError(
            "model_facts_invalid",
            f"{path} does not say what belongs to the model",
            hint="remove it, or get it again: azaion models get",
        ) from error
