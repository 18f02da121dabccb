"""Servers that somebody else runs, by their address in the environment."""

from __future__ import annotations

import secrets
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg


@dataclass(frozen=True)
class GivenRabbit:
    """``AZAION_TEST_RABBITMQ=http://user:password@host:15672,rabbitmq-stream://…/,amqp://…/``: management, streams, AMQP."""

    management_url: str
    stream_url: str
    amqp_url: str

    @classmethod
    def parse(cls, address: str) -> GivenRabbit:
        return cls(*address.split(","))

    def new_vhost(self) -> str:
        name = f"v{secrets.token_hex(5)}"
        user = urlsplit(self.management_url).username or "guest"
        self._put(f"/vhosts/{name}", b"{}")
        self._put(f"/permissions/{name}/{user}", b'{"configure": ".*", "write": ".*", "read": ".*"}')
        return name

    def delete_vhost(self, name: str) -> None:
        self._request("DELETE", f"/vhosts/{name}", None)

    def _put(self, path: str, body: bytes) -> None:
        self._request("PUT", path, body)

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        parts = urlsplit(self.management_url)
        url = f"{parts.scheme}://{parts.hostname}:{parts.port}/api{path}"
        request = urllib.request.Request(url, body, method=method)  # noqa: S310 - the tester's own server
        login = f"{parts.username}:{parts.password}".encode()
        request.add_header("Authorization", "Basic " + b64encode(login).decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return response.read()


@dataclass(frozen=True)
class GivenPostgres:
    """``AZAION_TEST_POSTGRES=postgresql+psycopg://user:password@host/database``; the user may make databases."""

    address: str

    def new_database(self) -> str:
        name = f"d{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"{self.address.rpartition('/')[0]}/{name}"

    def execute(self, statement: str, database: str | None = None) -> list[tuple[object, ...]]:
        address = self.address.replace("+psycopg", "")
        if database is not None:
            address = f"{address.rpartition('/')[0]}/{database}"
        with psycopg.connect(address, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []


@dataclass(frozen=True)
class GivenS3:
    """``AZAION_TEST_S3=http://ACCESS:SECRET@host:port``."""

    endpoint_url: str
    access_key: str
    secret_key: str

    @classmethod
    def parse(cls, address: str) -> GivenS3:
        parts = urlsplit(address)
        return cls(
            f"{parts.scheme}://{parts.hostname}:{parts.port}", parts.username or "", parts.password or ""
        )

    def new_bucket(self) -> str:
        name = f"b{secrets.token_hex(6)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )
        client.create_bucket(Bucket=name)
        return name
