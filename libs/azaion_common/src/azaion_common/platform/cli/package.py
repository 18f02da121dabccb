"""``azaion package``: seal, inspect, verify, open, split and join model packages by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from azaion_common.core.errors import PermanentError
from azaion_common.packages import (
    FleetKeyWrapper,
    PackageFacts,
    PackageMeta,
    extract_package,
    inspect_package,
    join_package,
    load_fleet_key,
    load_or_create_fleet_key,
    new_content_key,
    read_wrapped_key,
    seal_package,
    split_package,
    unwrap_for,
    verify_package,
    verify_structure,
    wipe,
    wrap_context,
    write_wrapped_key,
)
from azaion_common.platform.cli.output import print_json

Package = Annotated[Path, typer.Argument(help="The package file.", show_default=False)]
Key = Annotated[Path, typer.Option("--key", help="Fleet key file (32 bytes).", show_default=False)]
MaybeKey = Annotated[
    Path | None,
    typer.Option("--key", help="Fleet key file; with it everything is checked.", show_default=False),
]
WrappedKey = Annotated[
    Path | None, typer.Option("--wrapped-key", help="Wrapped content key. [PACKAGE.cek]", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Seal, check, split and open model packages.")
    for name, command in (
        ("seal", seal),
        ("inspect", inspect),
        ("verify", verify),
        ("open", open_),
        ("split", split),
        ("join", join),
    ):
        group.command(name)(command)
    app.add_typer(group, name="package")


def seal(
    source: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    package: Package,
    *,
    key: Annotated[Path, typer.Option("--key", help="Fleet key file; made if missing.", show_default=False)],
    release: Annotated[str, typer.Option(help="Name of the release.", show_default=False)],
    variant: Annotated[str, typer.Option(help="Which build of the model.")] = "default",
    model_format: Annotated[str | None, typer.Option("--format", help="[suffix of the model file]")] = None,
    hw: Annotated[list[str] | None, typer.Option(help="Hardware it runs on (repeatable). [any]")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Seal a model under a new content key.

    The fleet key wraps it into PACKAGE.cek.
    """
    wrapped_key = default_wrapped_key(package)
    refuse_to_replace(package, wrapped_key, force=force)
    meta = PackageMeta(release, variant, model_format or source.suffix.lstrip(".") or "bin", tuple(hw or ()))
    wrapper = FleetKeyWrapper(load_or_create_fleet_key(key))
    cek = new_content_key()
    header = seal_package(source, package, meta=meta, cek=cek)
    write_wrapped_key(wrapped_key, wrapper.wrap(cek, wrap_context(header)))
    wipe(cek)
    show({**asdict(PackageFacts.of(header)), "package": package, "wrapped_key": wrapped_key}, as_json=as_json)


def inspect(package: Package, *, as_json: AsJson = False) -> None:
    """Show what the header says. Needs no key, and the small part is enough; proves nothing."""
    show(asdict(inspect_package(package)), as_json=as_json)


def verify(
    package: Package,
    *,
    key: MaybeKey = None,
    wrapped_key: WrappedKey = None,
    as_json: AsJson = False,
) -> None:
    """Check the structure; with --key, everything.

    The plaintext is not kept.
    """
    if key is None:
        facts, checked = verify_structure(package), "structure only (no key given)"
    else:
        facts, checked = verify_package(package, content_key(package, key, wrapped_key)), "everything"
    show({"checked": checked, **asdict(facts)}, as_json=as_json)


def open_(
    package: Package,
    destination: Annotated[Path, typer.Argument(help="Where the model is written.", show_default=False)],
    *,
    key: Key,
    wrapped_key: WrappedKey = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Verify a package and write its model (mode 0600)."""
    refuse_to_replace(destination, force=force)
    header = extract_package(package, destination, content_key(package, key, wrapped_key))
    show({"model": destination, **asdict(PackageFacts.of(header))}, as_json=as_json)


def split(
    package: Package,
    *,
    small: Annotated[Path | None, typer.Option(help="Small part. [PACKAGE.small]")] = None,
    big: Annotated[Path | None, typer.Option(help="Big part. [PACKAGE.big]")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Cut a package into its two parts.

    The small one is for the API, the big one for the store of releases.
    """
    small, big = small or beside(package, ".small"), big or beside(package, ".big")
    refuse_to_replace(small, big, force=force)
    facts = split_package(package, small, big)
    show(
        {
            "small": small,
            "small_bytes": facts.small.size_bytes,
            "small_sha256": facts.small.sha256,
            "big": big,
            "big_bytes": facts.big.size_bytes,
            "big_sha256": facts.big.sha256,
            "package_sha256": facts.package_sha256,
        },
        as_json=as_json,
    )


def join(
    small: Annotated[Path, typer.Argument(help="The small part.", show_default=False)],
    big: Annotated[Path, typer.Argument(help="The big part.", show_default=False)],
    package: Package,
    *,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make one package of its two parts."""
    refuse_to_replace(package, force=force)
    show({"package": package, **asdict(join_package(small, big, package))}, as_json=as_json)


def content_key(package: Path, key: Path, wrapped_key: Path | None) -> bytearray:
    """The package's content key, unwrapped by the fleet key."""
    wrapper = FleetKeyWrapper(load_fleet_key(key))
    return unwrap_for(package, wrapper, read_wrapped_key(wrapped_key or default_wrapped_key(package)))


def default_wrapped_key(package: Path) -> Path:
    return beside(package, ".cek")


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def refuse_to_replace(*paths: Path, force: bool) -> None:
    """Raises: PermanentError ``file_exists`` unless ``force``."""
    for path in paths:
        if path.exists() and not force:
            raise PermanentError("file_exists", f"{path} is already there", hint="add --force to replace it")


def show(facts: dict[str, object], *, as_json: bool) -> None:
    """Print facts for a machine or for a person. Texts from a package are shown as they are, never as markup."""
    if as_json:
        print_json(facts)
        return
    console, width = Console(highlight=False), max(map(len, facts))
    for name, value in facts.items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        line = Text.assemble((name.replace("_", " ").ljust(width + 2), "cyan"), text)
        console.print(line, soft_wrap=True)  # a hash stays on one line, to be copied or searched for
