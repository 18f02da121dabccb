"""The API's description of itself is whole, and needs nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client import generate_latest

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
REFUSALS = {
    ("get", "/livez"): {"500"},
    ("get", "/health"): {"500", "503"},
    ("post", "/login"): {"400", "401", "413", "415", "422", "429", "500", "503"},
    ("post", "/resources/{folder}"): {"400", "401", "403", "409", "413", "415", "422", "500", "503"},
    ("post", "/resources/get/{folder}"): {"400", "401", "404", "413", "415", "422", "500", "503"},
}


@pytest.fixture
async def described(api: Any) -> Any:
    return (await api.client.get("/openapi.json")).json()


async def test_every_answer_is_described(described: Any) -> None:
    """Each route names every refusal, all of them as problems, and nothing of the framework's own form."""
    found = {
        (method, path): {
            status for status, answer in operation["responses"].items() if answer.get("content") == PROBLEM
        }
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }

    assert found == REFUSALS
    assert "HTTPValidationError" not in str(described)
    assert set(described["components"]["schemas"]["Problem"]["required"]) >= {"code", "status", "detail"}


async def test_whoever_needs_a_token_is_told(described: Any) -> None:
    """Routes behind a login say so, in the terms that clients are made from; names of operations are plain."""
    operations = [operation for paths in described["paths"].values() for operation in paths.values()]

    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert [each["operationId"] for each in operations if each["security"]] == ["store", "fetch"]


async def test_the_page_loads_nothing_from_elsewhere(api: Any) -> None:
    """No script, no other host: it can be read where there is no network, and nobody outside learns of it."""
    page = await api.client.get("/docs")
    policy = page.headers["content-security-policy"]

    assert page.headers["content-type"].startswith("text/html")
    assert "/resources/get/{folder}" in page.text
    assert "<script" not in page.text
    assert not re.findall(r"(?:src|href)=.(?:https?:)?//", page.text)
    assert "default-src 'none'" in policy
    assert (await api.client.get("/docs/style.css")).headers["content-type"].startswith("text/css")


async def test_made_up_methods_are_not_counted_one_by_one(api: Any) -> None:
    """What strangers invent does not become a series of its own in the metrics."""
    for number in range(5):
        await api.client.request(f"METHOD{number}", "/livez")

    assert b"METHOD1" not in generate_latest()
