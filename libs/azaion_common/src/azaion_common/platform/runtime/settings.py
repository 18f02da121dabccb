"""Settings: defaults, then the home's ``azaion.yaml``, then the environment; wrong names are refused.

``azaion.yaml`` has one section per service and ``platform`` for what all share::

    platform: {api_url: http://127.0.0.1:8400}
    trainer: {epochs: 50, imgsz: 640}

The same as environment variables: ``AZAION_PLATFORM__API_URL``, ``AZAION_TRAINER__EPOCHS``. With ``_FILE`` behind it, a
variable names a file that holds the value, as containers get their secrets: ``AZAION_PLATFORM__LEDGER_URL_FILE``. An
empty variable is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from azaion_common.core.errors import PermanentError, SetupError
from azaion_common.platform.streams.partitions import Partitioning

FILE_NAME = "azaion.yaml"
_IN_A_FILE = "_FILE"


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ServiceSettings(BaseSettings):
    """Base of every service's settings. Subclasses set ``env_prefix`` (``AZAION_TRAINER__``)."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        use_attribute_docstrings=True,  # `azaion settings` and docs/settings.md show them
    )

    @classmethod
    def load(cls, home: Path, section: str) -> Self:
        """The settings of one section.

        Raises:
            PermanentError: ``settings_invalid``, naming the file or variable and the field.
            SetupError: ``settings_unreadable``.
        """
        prefix = cls.model_config.get("env_prefix", "")
        _refuse_unknown_variables(cls, prefix)
        in_file = _section(home / FILE_NAME, section) | _in_files_of_their_own(cls, prefix)
        in_environment = _in_environment(prefix)
        try:
            return cls(**{key: value for key, value in in_file.items() if key not in in_environment})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PermanentError(
                "settings_invalid",
                f"setting {section}.{where}: {first['msg']}",
                hint=f"see {home / FILE_NAME} and {prefix}*",
            ) from error

    @classmethod
    def origins(cls, home: Path, section: str) -> dict[str, str]:
        """Where each setting that has not its default comes from: ``environment`` or the path of the file."""
        prefix = cls.model_config.get("env_prefix", "")
        path = home / FILE_NAME
        from_environment = {*_in_environment(prefix), *_in_files_of_their_own(cls, prefix)} & set(
            cls.model_fields
        )
        return dict.fromkeys(_section(path, section), str(path)) | dict.fromkeys(
            from_environment, "environment"
        )


class PlatformSettings(ServiceSettings):
    """What every service shares."""

    model_config = SettingsConfigDict(env_prefix="AZAION_PLATFORM__")

    catalogue: Path | None = None
    """Class catalogue (YAML); relative paths start at the home. None: the neutral aerial one."""
    api_url: str = "http://127.0.0.1:8400"
    """Where services and devices find the API."""
    metrics_host: str = "127.0.0.1"
    """Address of /metrics, /livez and /readyz."""
    metrics_port: int = 0
    """Port of /metrics, /livez and /readyz; 0 picks a free one, which ``<home>/run/ops.json`` then names."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    streams_url: SecretStr | None = None
    """``rabbitmq-stream://user:password@host:5552/vhost``, or ``rabbitmq-stream+tls://…?ca=/path/ca.pem``.
    None for this and the three below: everything is in the home."""
    jobs_url: SecretStr | None = None
    """``amqp://user:password@host:5672/vhost``, or ``amqps://…?ca=/path/ca.pem``."""
    blobs_url: str | None = None
    """``s3://bucket/prefix``."""
    ledger_url: SecretStr | None = None
    """``postgresql+psycopg://user:password@host:5432/database``."""
    s3_endpoint_url: str | None = None
    """None: AWS."""
    s3_region: str | None = None
    """None: the one that the AWS libraries are set to."""
    s3_access_key: str | None = None
    """None: wherever the AWS libraries find credentials."""
    s3_secret_key: SecretStr | None = None
    """Belongs to ``s3_access_key``."""
    releases_url: str | None = None
    """``s3://bucket/prefix``, on the same server, of sealed releases only: the one place on it that devices may read.
    None: ``releases`` in the home. Publisher and inferencer ask for it where ``blobs_url`` is set."""
    releases_access_key: str | None = None
    """Who reads and writes releases; a device has only this one. None: ``s3_access_key``."""
    releases_secret_key: SecretStr | None = None
    """Belongs to ``releases_access_key``."""
    views: bool | None = None
    """Show pictures as files in the home, too. None: only where the blob store is the home's."""
    partitions: dict[str, Annotated[int, Field(ge=1, le=256)]] = {}
    """``{azaion.images: 4}``: streams in that many parts, which several processes of a service share."""
    accept_gaps: tuple[str, ...] = ()
    """Streams that are read on although records are missing: an operator has looked and decided."""

    @property
    def partitioning(self) -> Partitioning:
        return Partitioning(self.partitions)


def traces_are_collected() -> bool:
    """Whether OpenTelemetry's own variables name a collector."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(os.environ.get(name) for name in names)  # noqa: TID251


def home_from(option: Path | None) -> Path:
    """The home: the option, else ``AZAION_HOME``, else ``./azaion-home``; absolute.

    Raises:
        SetupError: ``home_unusable``.
    """
    chosen = option or Path(os.environ.get("AZAION_HOME") or "azaion-home")  # noqa: TID251
    try:
        home = chosen.expanduser().absolute()
        str(home).encode()
    except (RuntimeError, UnicodeEncodeError):  # somebody who has no home, bytes that are no UTF-8
        problem = f"{str(chosen).encode(errors='backslashreplace').decode()} is no path that a home can have"
        raise SetupError("home_unusable", problem, hint="take another --home") from None
    return home


def _section(path: Path, section: str) -> dict[str, Any]:
    try:
        if not path.exists():
            return {}
        content = yaml.safe_load(path.read_text()) or {}
        found = content.get(section) or {}
        return dict(found)
    except OSError as error:
        raise SetupError("settings_unreadable", f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, AttributeError, ValueError, TypeError) as error:
        raise PermanentError(
            "settings_invalid", f"{path} is not valid: {str(error).splitlines()[0]}"
        ) from error


def _in_environment(prefix: str) -> set[str]:
    """The settings that variables of their own name."""
    variables = os.environ  # noqa: TID251
    return {_field(each, prefix) for each in variables if each.startswith(prefix) and variables[each]}


def _field(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).split("__")[0].lower()


def _refuse_unknown_variables(cls: type[BaseSettings], prefix: str) -> None:
    """pydantic-settings ignores misspelt variables at top level; we don't."""
    for name in os.environ:  # noqa: TID251
        known = _field(name, prefix) in cls.model_fields or _field_of_file(cls, name, prefix)
        if prefix and name.startswith(prefix) and not known:
            raise PermanentError("settings_invalid", f"environment variable {name} is no setting")


def _in_files_of_their_own(cls: type[BaseSettings], prefix: str) -> dict[str, str]:
    """The settings whose variables name files."""
    found = {}
    for name, path in os.environ.items():  # noqa: TID251
        if field := _field_of_file(cls, name, prefix):
            try:
                found[field] = Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise PermanentError(
                    "settings_invalid", f"{name} names {path}, which cannot be read: {error}"
                ) from error
    return found


def _field_of_file(cls: type[BaseSettings], name: str, prefix: str) -> str | None:
    """The setting whose value lies in the file that the variable ``name`` names, if it is such a variable."""
    if not (prefix and name.startswith(prefix) and name.endswith(_IN_A_FILE)):
        return None
    field = name.removeprefix(prefix).removesuffix(_IN_A_FILE).lower()
    is_itself = name.removeprefix(prefix).lower() in cls.model_fields
    return field if field in cls.model_fields and not is_itself else None
