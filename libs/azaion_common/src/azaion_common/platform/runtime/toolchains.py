"""Where the toolchains are installed."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings


class ToolchainSettings(ServiceSettings):
    """Section ``toolchains`` of ``azaion.yaml``; in a container the image sets the variables."""

    model_config = SettingsConfigDict(env_prefix="AZAION_TOOLCHAINS__")

    ultralytics_python: Path | None = None
    """Python of the ultralytics environment; None: ``toolchains/ultralytics/.venv`` of this checkout."""

    def ultralytics_command(self) -> list[str]:
        """The command that runs one ultralytics job."""
        python = (
            self.ultralytics_python or _checkout() / "toolchains" / "ultralytics" / ".venv" / "bin" / "python"
        )
        return [str(python), "-m", "azaion_ultralytics"]


def _checkout() -> Path:
    """The root of the checkout that this package is installed from (editable), else the working folder."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "toolchains").is_dir():
            return parent
    return Path.cwd()
