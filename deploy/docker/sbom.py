"""Write a CycloneDX 1.6 bill of materials of the environment that runs this: names, versions, licences."""

from __future__ import annotations

import json
import sys
from importlib.metadata import Distribution, distributions


def component(found: Distribution) -> dict[str, object]:
    name, version = found.metadata["Name"], found.version
    fields = found.metadata.json
    licence = str(fields.get("license_expression") or fields.get("license") or "unknown")
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
        "licenses": [{"license": {"name": licence.splitlines()[0][:100]}}],
    }


components = sorted((component(each) for each in distributions()), key=lambda each: str(each["name"]).lower())
json.dump(
    {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components},
    sys.stdout,
    indent=1,
)
