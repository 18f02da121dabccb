"""Certificates of this installation: of its servers, for devices, and of the blob store's parts, for each other.

``openssl`` makes them: keys on P-256, which every client of the last ten years takes. The authority's key is used on
this machine alone and is mounted into no container. Only the standard library otherwise.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"
SERVER, SERVER_KEY = "server.pem", "server-key.pem"
BLOB_STORE, BLOB_STORE_KEY = "blob-store.pem", "blob-store-key.pem"
_INNER = ("rabbitmq", "api", "blob-store", "localhost", "127.0.0.1")
"""The names by which containers and this machine itself reach the servers."""
_LONG_DAYS, _SERVER_DAYS, _RENEW_BEFORE_S = "3650", "825", str(30 * 24 * 3600)


def make(folder: Path, hosts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Make what is missing, runs out within a month, or lacks one of ``hosts``; files made, and files made anew.

    Names that the servers' certificate has already stay in it.
    """
    if shutil.which("openssl") is None:
        raise SystemExit("openssl is needed to make certificates, and is not installed")
    made: list[str] = []
    changed: list[str] = []
    if not (folder / BLOB_STORE).exists():
        _make_pair(folder)
        made += [BLOB_STORE, BLOB_STORE_KEY]
    if not (folder / AUTHORITY).exists():
        _make_authority(folder)
        made += [AUTHORITY, AUTHORITY_KEY]
    known = _hosts_of(folder / SERVER)
    wanted = tuple(dict.fromkeys((*hosts, *known, *_INNER)))
    if not set(wanted) <= set(known) or AUTHORITY in made or not _lasts(folder / SERVER):
        (changed if known else made).extend((SERVER, SERVER_KEY))
        _make_server(folder, wanted)
    return made, changed


def outer_host(folder: Path) -> str | None:
    """The name or address by which others reach this machine, as far as somebody has said it."""
    return next((host for host in _hosts_of(folder / SERVER) if host not in _INNER), None)


def _make_pair(folder: Path) -> None:
    """One certificate that trusts itself: who holds it is a part of the blob store."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        key, certificate = Path(work) / "key", Path(work) / "certificate"
        _make_key(key)
        _openssl("req", "-x509", "-new", "-key", key, "-sha256", "-days", _LONG_DAYS, "-subj", "/CN=blob-store",
            "-addext", f"subjectAltName={','.join(map(_alternative, _INNER))}",
            "-addext", "extendedKeyUsage=serverAuth,clientAuth", "-out", certificate)  # fmt: skip
        _keep(key, folder / BLOB_STORE_KEY)
        _keep(certificate, folder / BLOB_STORE)


def _make_authority(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        key, certificate = Path(work) / "key", Path(work) / "certificate"
        _make_key(key)
        _openssl("req", "-x509", "-new", "-key", key, "-sha256", "-days", _LONG_DAYS,
            "-subj", "/CN=Azaion, this installation", "-out", certificate)  # fmt: skip
        _keep(key, folder / AUTHORITY_KEY)
        _keep(certificate, folder / AUTHORITY)


def _make_server(folder: Path, hosts: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        key, request, certificate = Path(work) / "key", Path(work) / "request", Path(work) / "certificate"
        extensions = Path(work) / "extensions"
        extensions.write_text(
            f"subjectAltName={','.join(map(_alternative, hosts))}\n"
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        )
        _make_key(key)
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={hosts[0]}"[:64], "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", folder / AUTHORITY, "-CAkey", folder / AUTHORITY_KEY,
            "-CAserial", Path(work) / "serial", "-CAcreateserial", "-sha256", "-days", _SERVER_DAYS,
            "-extfile", extensions, "-out", certificate)  # fmt: skip
        _keep(key, folder / SERVER_KEY)
        _keep(certificate, folder / SERVER)


def _make_key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def _alternative(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _hosts_of(certificate: Path) -> tuple[str, ...]:
    """Whom a certificate is for; nobody when there is none."""
    if not certificate.exists():
        return ()
    text = _openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName")
    return tuple(re.findall(r"(?:DNS|IP Address):([^,\s]+)", text))


def _lasts(certificate: Path) -> bool:
    command = ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", _RENEW_BEFORE_S]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _keep(draft: Path, path: Path) -> None:
    draft.chmod(0o444)
    draft.rename(path)
