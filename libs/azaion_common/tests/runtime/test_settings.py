"""Settings: where they come from, in which order, and that a wrong name is never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.settings import PlatformSettings, ServiceSettings, home_from


class BakerySettings(ServiceSettings):
    """A service of its own."""

    model_config = SettingsConfigDict(env_prefix="AZAION_BAKERY__")

    ovens: int = Field(default=2, ge=1)
    flour: str = "rye"
    options: dict[str, int] = Field(default_factory=dict)


def load(home: Path, text: str = "") -> BakerySettings:
    (home / "azaion.yaml").write_text(text)
    return BakerySettings.load(home, "bakery")


def refusal(home: Path, text: str = "") -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        load(home, text)
    assert caught.value.code == "settings_invalid"
    return caught.value


def test_without_file_and_environment_the_defaults_hold(tmp_path: Path) -> None:
    """No file at all is fine."""
    assert BakerySettings.load(tmp_path, "bakery") == BakerySettings(ovens=2, flour="rye")


def test_the_file_beats_the_defaults_and_the_environment_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container overrides one value without touching the others."""
    monkeypatch.setenv("AZAION_BAKERY__OVENS", "7")

    assert load(tmp_path, "bakery: {ovens: 3, flour: wheat}") == BakerySettings(ovens=7, flour="wheat")


def test_other_sections_are_no_business_of_a_service(tmp_path: Path) -> None:
    """Each service reads its own section alone."""
    assert load(tmp_path, "trainer: {epochs: 3}\nbakery:\n").ovens == 2


@pytest.mark.parametrize("text", ["bakery: {oven: 3}", "bakery: {ovens: 0}", "bakery: {ovens: many}"])
def test_a_misspelt_name_or_a_wrong_value_in_the_file_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the section and the field, the hint the file."""
    error = refusal(tmp_path, text)

    assert "bakery.oven" in error.message
    assert str(tmp_path / "azaion.yaml") in str(error.hint)


@pytest.mark.parametrize("text", ["bakery: [1, 2]", "bakery: {ovens: 3", "- bakery", "bakery: 7"])
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    """One line with the path, no stack."""
    assert "\n" not in refusal(tmp_path, text).message


def test_a_misspelt_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in a variable does not silently leave the default in force."""
    monkeypatch.setenv("AZAION_BAKERY__OVNES", "7")

    assert "AZAION_BAKERY__OVNES" in refusal(tmp_path).message


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """What a service was started with holds until it ends."""
    with pytest.raises(ValidationError):
        load(tmp_path).ovens = 3  # type: ignore[misc]


def test_the_home_is_the_option_else_the_variable_else_beside_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is absolute in every case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AZAION_HOME", raising=False)
    assert home_from(None) == tmp_path / "azaion-home"
    monkeypatch.setenv("AZAION_HOME", "elsewhere")
    assert home_from(None) == tmp_path / "elsewhere"
    assert home_from(Path("here")) == tmp_path / "here"
    monkeypatch.setenv("AZAION_HOME", "")
    assert home_from(None) == tmp_path / "azaion-home"


def test_the_platform_listens_on_the_loopback_by_default(tmp_path: Path) -> None:
    """Nothing is open to a network unless somebody says so."""
    settings = PlatformSettings.load(tmp_path, "platform")

    assert settings.metrics_host == "127.0.0.1"
    assert settings.api_url.startswith("http://127.0.0.1:")


def test_a_variable_may_name_a_file_that_holds_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets come as files: they beat azaion.yaml, and a plain variable beats them."""
    (tmp_path / "flour").write_text("oat\n")
    monkeypatch.setenv("AZAION_BAKERY__FLOUR_FILE", str(tmp_path / "flour"))

    assert load(tmp_path, "bakery: {flour: wheat}").flour == "oat"

    monkeypatch.setenv("AZAION_BAKERY__FLOUR", "spelt")
    assert load(tmp_path).flour == "spelt"


@pytest.mark.parametrize("name", ["AZAION_BAKERY__FLOUR_FILE", "AZAION_BAKERY__FLOWER_FILE"])
def test_a_named_file_that_is_missing_or_for_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A secret that did not reach the container is told by its variable."""
    monkeypatch.setenv(name, str(tmp_path / "missing"))

    assert name in refusal(tmp_path).message
