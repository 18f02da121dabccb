"""What the class catalogue promises."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError

DEPLOYED = Path(__file__).parents[5] / "deploy" / "catalogues"
THREE = {"Norm": 0, "Wint": 20, "Night": 40}


def document(**changes: object) -> dict[str, object]:
    """A small valid catalogue document with some fields changed."""
    classes = [{"id": 0, "name": "car", "colour": "#e6194b"}, {"id": 19, "name": "boat"}]
    return {"version": 1, "name": "small", "slots": 80, "conditions": THREE, "classes": classes} | changes


def write(path: Path, value: object) -> Path:
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    return path


def load_fault(path: Path) -> str:
    """The message with which loading is refused, checked to be one line that names the file."""
    with pytest.raises(PermanentError) as caught:
        Catalogue.load(path)
    assert caught.value.code == "catalogue_invalid"
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def test_every_slot_in_use_decodes_to_what_it_was_made_from() -> None:
    """Slots and (class, condition) pairs are one to one."""
    catalogue = Catalogue.default()

    slots = {
        catalogue.slot(entry.id, condition): (entry.id, condition)
        for entry in catalogue.classes
        for condition in catalogue.conditions
    }

    assert len(slots) == 3 * len(catalogue.classes)
    assert {slot: catalogue.decode(slot) for slot in slots} == slots


def test_slots_carry_the_offset_of_their_condition() -> None:
    """Night is offset 40, Wint 20, Norm 0."""
    catalogue = Catalogue.default()

    assert [catalogue.slot(2, condition) for condition in ("Norm", "Wint", "Night")] == [2, 22, 42]


def test_slot_names_are_eighty_and_name_class_and_condition() -> None:
    """A model's head gets 80 different names, free ones numbered."""
    names = Catalogue.default().slot_names()

    assert len(names) == len(set(names)) == 80
    assert (names[0], names[20], names[40], names[60]) == ("car", "car (Wint)", "car (Night)", "Class-60")


def test_a_free_slot_is_an_unknown_class() -> None:
    """A prediction in a free slot is an error with a stable code, not a guess."""
    for slot in (19, 60, 80, -1):
        with pytest.raises(PermanentError, match="unknown_class"):
            Catalogue.default().decode(slot)


def test_unknown_classes_and_conditions_are_refused() -> None:
    """Encoding names what it does not know."""
    catalogue = Catalogue.default()

    with pytest.raises(PermanentError, match="unknown_class"):
        catalogue.slot(19, "Norm")
    with pytest.raises(PermanentError, match="unknown_condition") as caught:
        catalogue.slot(0, "Fog")
    assert caught.value.hint == "it has Norm, Wint, Night"


def test_conditions_are_data(tmp_path: Path) -> None:
    """A catalogue may have other conditions than the usual three."""
    catalogue = Catalogue.load(write(tmp_path / "c.yaml", document(conditions={"Clear": 0, "Fog": 40})))

    assert catalogue.slot(19, "Fog") == 59
    assert catalogue.slot_names()[40] == "car (Fog)"


def test_the_packaged_default_is_the_deployed_file() -> None:
    """What users read in deploy/ is what the installed package uses."""
    assert Catalogue.load(DEPLOYED / "aerial.yaml") == Catalogue.default()


def test_the_example_fills_the_scheme_with_17_classes_in_3_conditions() -> None:
    """The example has 51 named slots, the rest are free."""
    catalogue = Catalogue.load(DEPLOYED / "wildlife-and-sites.yaml")

    named = [name for name in catalogue.slot_names() if not name.startswith("Class-")]

    assert len(catalogue.classes) == 17
    assert len(named) == 51


def test_from_names_keeps_order_and_has_conditions_while_they_fit() -> None:
    """Twenty names still have three conditions, twenty-one have one; more than eighty have as many slots, up to a thousand."""
    twenty, many = Catalogue.from_names([f"n{i}" for i in range(20)]), [f"n{i}" for i in range(80)]

    assert twenty.decode(59) == (19, "Night")
    assert list(Catalogue.from_names(many[:21]).conditions) == ["Norm"]
    assert Catalogue.from_names(many).slot_names() == tuple(many)
    assert Catalogue.from_names([*many, "one more"]).slots == 81
    with pytest.raises(PermanentError, match="catalogue_invalid"):
        Catalogue.from_names([f"n{i}" for i in range(1001)])


@pytest.mark.parametrize("names", [["car", "car (Wint)", "bus"], ["car (Night)", "bus (wint)", "car", "bus"]])
def test_names_of_slots_are_of_one_class(names: list[str]) -> None:
    """A class that is named with its conditions is one class in these, in a new catalogue and in one that gains it."""
    new = Catalogue.from_names(names)
    grown = Catalogue.from_names(["tree"]).with_classes(names)

    assert [entry.name for entry in new.classes] == ["car", "bus"]
    assert [entry.name for entry in grown.classes] == ["tree", "car", "bus"]
    assert (new.find("car (Wint)"), grown.find("car (Wint)")) == ((0, "Wint"), (1, "Wint"))


@pytest.mark.parametrize("name", ["car (WINT)", "car  (Wint)", "car (Wint)"])
def test_a_slots_name_is_found_however_it_is_written(name: str) -> None:
    """A folder's own classes are always known: spaces and the letter case of a condition make no other class."""
    catalogue = Catalogue.from_names([name, "CAR"])

    assert [entry.name for entry in catalogue.classes] == ["car", "CAR"]
    assert catalogue.find(name) == (0, "Wint")


def test_a_name_that_only_looks_like_a_slots_is_a_class() -> None:
    """A condition that the catalogue lacks, or one without a class before it, is part of a class's name."""
    names = ["(Wint)", "car (Foo)"]

    assert [entry.name for entry in Catalogue.from_names(names).classes] == names


@pytest.mark.parametrize(
    "names", [[], ["car", "car"], ["car", ""], ["car (Wint)", "car (Wint)"], ["Class-3"], ["a\nb"]]
)
def test_names_that_cannot_be_told_apart_are_refused(names: list[str]) -> None:
    """Empty, double and placeholder names never become a catalogue."""
    with pytest.raises(PermanentError, match="catalogue_invalid"):
        Catalogue.from_names(names)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": 2}, "version"),
        ({"slots": "80"}, "slots"),
        ({"conditions": {}}, "conditions"),
        ({"conditions": {"Norm": 0, "Wint": 0}}, "conditions"),
        ({"conditions": {"Norm": 0, "Wint": 80}}, "classes[0].id"),
        ({"classes": []}, "classes"),
        ({"classes": [{"id": 20, "name": "car"}]}, "classes[0].id"),
        ({"classes": [{"id": -1, "name": "car"}]}, "classes[0].id"),
        ({"classes": [{"id": True, "name": "car"}]}, "classes[0].id"),
        ({"classes": [{"id": 0, "name": "a"}, {"id": 0, "name": "b"}]}, "classes.id"),
        ({"classes": [{"id": 0, "name": "a"}, {"id": 1, "name": "a"}]}, "classes.name"),
        ({"classes": [{"id": 0, "name": "a", "colour": "red"}]}, "classes[0].colour"),
        ({"classes": [{"id": 0, "name": "a", "color": "#ffffff"}]}, "classes[0].color"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_broken_rule_is_one_line_that_names_file_and_field(
    tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    """Whoever writes a catalogue is told where the mistake is."""
    assert field in load_fault(write(tmp_path / "broken.yaml", document(**changes)))


@pytest.mark.parametrize(
    "data",
    [b"", b"- 1\n", b"name: [", b"\xff\xfe", b"name: a\nname: b\n", b"x" * 2_000_000, b"? {a: 1}\n: 2\n"],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty, torn, binary, huge and ambiguous files end in the same error."""
    path = tmp_path / "broken.yaml"
    path.write_bytes(data)

    load_fault(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that is not there is told as such."""
    assert "No such file" in load_fault(tmp_path / "absent.yaml")


def test_a_missing_colour_is_derived_the_same_way_each_time() -> None:
    """Classes without a colour get different ones that never change."""
    catalogue = Catalogue.from_names([f"n{i}" for i in range(80)])

    colours = [catalogue.colour(i) for i in range(80)]

    assert len(set(colours)) == 80
    assert colours[:3] == ["#f24444", "#365ebf", "#98d93d"]


def test_the_digest_depends_on_content_not_on_layout(tmp_path: Path) -> None:
    """Reordered lines are the same catalogue; a changed name is another."""
    first = Catalogue.load(write(tmp_path / "a.yaml", document()))
    shuffled = document(classes=[{"name": "boat", "id": 19}, {"colour": "#E6194B", "name": "car", "id": 0}])

    assert Catalogue.load(write(tmp_path / "b.yaml", shuffled)).digest == first.digest
    assert Catalogue.load(write(tmp_path / "c.yaml", document(name="other"))).digest != first.digest


@given(st.lists(st.from_regex(r"[a-zä-ü]{1,8}", fullmatch=True), min_size=1, max_size=80, unique=True))
def test_dump_and_load_give_an_equal_catalogue(names: list[str]) -> None:
    """A catalogue survives its file, also with names that YAML would take for something else."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 (tmp_path is shared between hypothesis examples)

    catalogue = Catalogue.from_names(names)
    with TemporaryDirectory() as folder:
        catalogue.dump(Path(folder) / "c.yaml")

        assert Catalogue.load(Path(folder) / "c.yaml") == catalogue
