"""Who may do what on a real SeaweedFS, started as compose.yaml does with the identities of `make secrets`: everything tried."""

from __future__ import annotations

import secrets
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import make_secrets
import pytest
import yaml
from botocore.exceptions import ClientError
from testservers.seaweedfs import PrivateSeaweed

from azaion_common.core.errors import SetupError
from azaion_common.platform.storage.s3 import S3BlobStore, S3Location

ROOT = Path(__file__).parents[2]
BLOBS, RELEASES = "azaion", "azaion-releases"
KEY = "ab/cd/there"
READ, WRITE, DELETE = "read", "write", "delete"
LOOK = "look at the bucket"
OWN = {READ, WRITE, DELETE, LOOK}
MAY: dict[str, dict[str, set[str]]] = {
    "ingestor": {BLOBS: OWN},
    "augmentor": {BLOBS: OWN},
    "trainer": {BLOBS: OWN},
    "exporter": {BLOBS: OWN},
    "publisher": {BLOBS: {READ, LOOK}, RELEASES: OWN},
    "api": {},
    "device": {RELEASES: {READ}},
    "device-roof": {RELEASES: {READ}},
}
"""What each identity may do in which bucket; everything else is refused."""
pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True)
class Store:
    """The server, two buckets with one object each, and everybody's keys."""

    server: PrivateSeaweed
    keys: dict[str, str]
    authority: Path

    def client(self, identity: str) -> Any:
        return self.server.client(identity, self.keys[identity])

    def location(self, identity: str, bucket: str) -> S3Location:
        return S3Location(
            bucket,
            endpoint_url=self.server.endpoint_url,
            access_key=identity,
            secret_key=self.keys[identity],
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("secrets") / "made"
    make_secrets.main(folder, ("127.0.0.1",), ("roof",))
    overlay = (ROOT / "compose.tls.yaml").read_text().replace("!override", "")
    container = yaml.safe_load(overlay)["services"]["blob-store"]
    mounted = {
        "server_certificate": "server.pem",
        "server_key": "server-key.pem",
        "s3_identities": "s3_identities.json",
        "blob_store_certificate": "blob-store.pem",
        "blob_store_key": "blob-store-key.pem",
    }
    assert mounted.keys() == set(container["secrets"])
    keys = {path.name[3:-4]: path.read_text() for path in folder.glob("s3_*_key")}
    keys["device-roof"] = (folder / "devices/roof/secrets/releases_secret_key").read_text()
    security = (ROOT / "deploy/blob-store/security.toml").read_text()
    with PrivateSeaweed(
        container["command"], security, {name: folder / file for name, file in mounted.items()}
    ) as server:
        operator = server.client("azaion", keys["azaion"])
        server.make_buckets(operator, BLOBS, RELEASES)
        for bucket in (BLOBS, RELEASES):
            operator.put_object(Bucket=bucket, Key=KEY, Body=b"there")
        yield Store(server, keys, folder / "ca.pem")


def attempts(client: Any, bucket: str) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Requests, each with the right that it takes; an administrator's where nobody else may."""
    there, absent, new = (
        {"Bucket": bucket, "Key": key} for key in (KEY, "ab/cd/absent", f"zz/{secrets.token_hex(4)}")
    )
    return {
        "get": (READ, lambda: client.get_object(**there)),
        "get a range": (READ, lambda: client.get_object(**there, Range="bytes=1-2")),
        "get what is absent": (READ, lambda: client.get_object(**absent)),
        "head": (READ, lambda: client.head_object(**there)),
        "attributes": (READ, lambda: client.get_object_attributes(**there, ObjectAttributes=["ETag"])),
        "put": (WRITE, lambda: client.put_object(**new, Body=b"new")),
        "replace": (WRITE, lambda: client.put_object(**there, Body=b"there")),
        "begin an upload in parts": (WRITE, lambda: client.create_multipart_upload(**new)),
        "copy within": (WRITE, lambda: client.copy_object(**new, CopySource={"Bucket": bucket, "Key": KEY})),
        "delete": (DELETE, lambda: client.delete_object(**new)),
        "delete many": (DELETE, lambda: _delete_many(client, bucket)),
        "head the bucket": (LOOK, lambda: client.head_bucket(Bucket=bucket)),
        "where it is": (LOOK, lambda: client.get_bucket_location(Bucket=bucket)),
        "list": ("list", lambda: client.list_objects_v2(Bucket=bucket)),
        "list as of old": ("list", lambda: client.list_objects(Bucket=bucket)),
        "list below": ("list", lambda: client.list_objects_v2(Bucket=bucket, Prefix="ab/", Delimiter="/")),
        "list versions": ("list", lambda: client.list_object_versions(Bucket=bucket)),
        "grants of an object": ("admin", lambda: client.get_object_acl(**there)),
        "grant to all": ("admin", lambda: client.put_object_acl(**there, ACL="public-read")),
        "tag": ("admin", lambda: client.put_object_tagging(**there, Tagging={"TagSet": []})),
        "open the bucket": ("admin", lambda: client.put_bucket_acl(Bucket=bucket, ACL="public-read")),
        "set a policy": ("admin", lambda: client.put_bucket_policy(Bucket=bucket, Policy="{}")),
        "set a life cycle": (DELETE, lambda: _expire_all(client, bucket)),
        "delete the bucket": ("admin", lambda: client.delete_bucket(Bucket=bucket)),
        "make a bucket": ("admin", lambda: client.create_bucket(Bucket=f"b{secrets.token_hex(4)}")),
    }


def _delete_many(client: Any, bucket: str) -> None:
    """Refused object by object, in an answer that says 200."""
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "zz/nothing"}]})
    if answer.get("Errors"):
        raise ClientError({"Error": answer["Errors"][0], "ResponseMetadata": {"HTTPStatusCode": 403}}, "")


def _expire_all(client: Any, bucket: str) -> None:
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def is_refused(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return False


@pytest.mark.parametrize("bucket", [BLOBS, RELEASES])
@pytest.mark.parametrize("identity", MAY)
def test_an_identity_may_do_what_it_needs_and_nothing_else(identity: str, bucket: str, store: Store) -> None:
    """Every kind of request to both buckets: what is not granted is 403, and nothing of it has been done."""
    wanted = MAY[identity].get(bucket, set())
    tried = attempts(store.client(identity), bucket)

    wrong = {
        name: right for name, (right, attempt) in tried.items() if is_refused(attempt) == (right in wanted)
    }

    assert wrong == {}
    operator = store.client("azaion")
    assert operator.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"there"


@pytest.mark.parametrize("identity", ["device", "device-roof", "api", "publisher"])
def test_nothing_can_be_copied_out_of_where_one_may_not_read(identity: str, store: Store) -> None:
    """A copy reads its source: who may write somewhere gets nothing there that he may not read."""
    client = store.client(identity)
    unreadable = [bucket for bucket in (BLOBS, RELEASES) if READ not in MAY[identity].get(bucket, set())]

    for source in unreadable:
        for target in (BLOBS, RELEASES):
            assert is_refused(
                lambda s=source, t=target: client.copy_object(  # type: ignore[misc]
                    Bucket=t, Key="zz/copy", CopySource={"Bucket": s, "Key": KEY}
                )
            )


@pytest.mark.parametrize("path", ["", BLOBS, f"{RELEASES}/", f"{RELEASES}/ab/", f"{RELEASES}/{KEY}"])
def test_nobody_is_served_without_a_key(path: str, store: Store) -> None:
    """Neither lists nor objects, and no folder of the file system beneath."""
    status, _ = _fetched(f"{store.server.endpoint_url}/{path}")

    assert status == 403


@pytest.mark.parametrize("key", ["ab", "ab/", "ab/cd/", "../azaion/ab/cd/there", "./ab/cd", ""])
def test_a_device_gets_no_list_by_asking_for_a_folder(key: str, store: Store) -> None:
    """A folder of the file system beneath is no object, and a way out of the bucket is none."""
    status, body = _fetched(_signed(store, f"{RELEASES}/{key}"))

    assert status in (400, 403, 404) or body == b""


def _fetched(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def _signed(store: Store, path: str) -> str:
    bucket, _, key = path.partition("/")
    client = store.client("device")
    if not key:
        return str(client.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket}))
    return str(client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))


async def test_what_is_announced_leads_no_device_to_the_model(store: Store) -> None:
    """A model's plain bytes lie under the hash that every announcement tells: a device that knows it gets the sealed half,
    and 403 for the rest, in either bucket.
    """
    async with S3BlobStore.open(store.location("exporter", BLOBS)) as exports:
        plain = await exports.put(b"plain model", "application/onnx")
    async with S3BlobStore.open(store.location("publisher", RELEASES)) as releases:
        sealed = await releases.put(b"sealed half", "application/octet-stream")

    async with S3BlobStore.open(store.location("device-roof", RELEASES)) as device:
        assert [part async for part in device.read(sealed.sha256)] == [b"sealed half"]
    async with S3BlobStore.open(store.location("device-roof", BLOBS)) as device:
        for request in (device.get(plain.sha256), device.size(plain.sha256), device.delete(plain.sha256)):
            with pytest.raises(SetupError) as caught:
                await request
            assert caught.value.code == "store_denied"


async def test_a_device_reads_over_tls(store: Store) -> None:
    """From a server that the installation's own authority vouches for, and from no other."""
    async with S3BlobStore.open(store.location("publisher", RELEASES)) as releases:
        sealed = await releases.put(b"another half", "application/octet-stream")
    plain = store.location("device-roof", RELEASES)
    https = replace(plain, endpoint_url=f"https://127.0.0.1:{store.server.ports['s3 https']}")

    async with S3BlobStore.open(replace(https, ca_file=store.authority)) as device:
        assert [part async for part in device.read(sealed.sha256)] == [b"another half"]
    async with S3BlobStore.open(https) as device:
        with pytest.raises(SetupError) as caught:
            await anext(device.read(sealed.sha256))

    assert caught.value.code == "store_untrusted"


@pytest.mark.parametrize("part", ["master grpc", "volume grpc", "filer grpc", "s3 grpc"])
def test_nobody_without_the_inner_certificate_speaks_to_the_parts(part: str, store: Store) -> None:
    """These ports know no users: whoever is let in there makes himself an administrator."""
    greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    stranger.set_alpn_protocols(["h2"])
    for context in (None, stranger):
        assert _answer(store.server.ports[part], greeting, context) == b""


def _answer(port: int, greeting: bytes, context: ssl.SSLContext | None) -> bytes:
    """What a server says to ``greeting``; nothing when it hangs up."""
    heard = b""
    with suppress(OSError), ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        if context is not None:
            connection = stack.enter_context(context.wrap_socket(connection))
        connection.sendall(greeting)
        heard = connection.recv(100)
    return heard
