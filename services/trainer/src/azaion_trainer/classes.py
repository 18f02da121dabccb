"""Which classes a model gets, and how the slots of the catalogue are mapped onto them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.catalogue.colours import derived_colour
from azaion_common.core.errors import PermanentError
from azaion_trainer.manifest import DatasetClass

ClassSpace = Literal["base", "slots"]


def dataset_classes(
    catalogue: Catalogue, space: ClassSpace, train_slots: Collection[int]
) -> tuple[DatasetClass, ...]:
    """The classes of a dataset whose train side has objects in ``train_slots``.

    ``base``: one class for each base class with an object on the train side, whatever its condition, in the order of
    ids. ``slots``: all slots of the catalogue, free ones too, so that class ids never change.
    """
    if space == "slots":
        return tuple(_slot_class(catalogue, slot, name) for slot, name in enumerate(catalogue.slot_names()))
    learnable = {catalogue.decode(slot)[0] for slot in train_slots}
    return tuple(
        DatasetClass(
            name=catalogue.entry(class_id).name,
            colour=catalogue.colour(class_id),
            slots={condition: catalogue.slot(class_id, condition) for condition in catalogue.conditions},
        )
        for class_id in sorted(learnable)
    )


def _slot_class(catalogue: Catalogue, slot: int, name: str) -> DatasetClass:
    try:
        class_id, condition = catalogue.decode(slot)
    except PermanentError:  # a free slot: it has a place in the model, but no meaning yet
        return DatasetClass(name=name, colour=derived_colour(slot), slots={})
    return DatasetClass(name=name, colour=catalogue.colour(class_id), slots={condition: slot})


def map_labels(text: str, class_of_slot: Mapping[int, int]) -> str:
    """YOLO lines with class ids in place of slots; objects of classes that the dataset does not have are dropped.

    Raises:
        PermanentError: ``labels_malformed``.
    """
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    try:
        mapped = [(class_of_slot.get(int(slot)), box) for slot, box in lines]
    except ValueError as error:
        raise PermanentError("labels_malformed", f"not a YOLO label text: {error}") from error
    return "".join(f"{class_id} {box}\n" for class_id, box in mapped if class_id is not None)
