"""Model packages: sealed, split, joined, checked and opened. The format is described in docs/package-format.md.

Everything here is synchronous and mostly waits for disks and ciphers: async callers use ``asyncio.to_thread``.
"""

from azaion_common.packages.announcement import signed, verified
from azaion_common.packages.header import PackageHeader, PackageMeta
from azaion_common.packages.inspect import PackageFacts, inspect_package
from azaion_common.packages.keys import ContentKey, new_content_key, wipe
from azaion_common.packages.memory import PlaintextMemory
from azaion_common.packages.open import OpenedPackage, extract_package, open_package
from azaion_common.packages.seal import seal_package
from azaion_common.packages.signing import (
    TrustedKeys,
    key_id,
    load_or_create_signing_key,
    load_signing_key,
    load_trusted_keys,
    public_pem,
    trusting,
)
from azaion_common.packages.sources import Source
from azaion_common.packages.split import (
    PartFacts,
    SplitFacts,
    check_part,
    join_package,
    joined_parts,
    small_part_size_bytes,
    split_package,
)
from azaion_common.packages.verify import verify_package, verify_structure
from azaion_common.packages.wrapping import (
    FleetKeyWrapper,
    KeyWrapper,
    load_fleet_key,
    load_or_create_fleet_key,
    read_wrapped_key,
    unwrap_for,
    wrap_context,
    write_wrapped_key,
)

__all__ = [
    "ContentKey",
    "FleetKeyWrapper",
    "KeyWrapper",
    "OpenedPackage",
    "PackageFacts",
    "PackageHeader",
    "PackageMeta",
    "PartFacts",
    "PlaintextMemory",
    "Source",
    "SplitFacts",
    "TrustedKeys",
    "check_part",
    "extract_package",
    "inspect_package",
    "join_package",
    "joined_parts",
    "key_id",
    "load_fleet_key",
    "load_or_create_fleet_key",
    "load_or_create_signing_key",
    "load_signing_key",
    "load_trusted_keys",
    "new_content_key",
    "open_package",
    "public_pem",
    "read_wrapped_key",
    "seal_package",
    "signed",
    "small_part_size_bytes",
    "split_package",
    "trusting",
    "unwrap_for",
    "verified",
    "verify_package",
    "verify_structure",
    "wipe",
    "wrap_context",
    "write_wrapped_key",
]
