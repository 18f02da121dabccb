"""Credentials from a file: ``{"email": …, "password": …}``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

from azaion_common.core.errors import SetupError
from azaion_inferencer.adapters.release_download import Account


def read_account(path: Path) -> Account:
    """The account in ``path``.

    Raises:
        SetupError: ``account_missing``, ``account_invalid``.
    """
    try:
        fields = json.loads(path.read_text())
        return Account(str(fields["email"]), SecretStr(str(fields["password"])))
    except FileNotFoundError:
        raise SetupError(
            "account_missing",
            f"no credentials at {path}",
            hint="start the API once on this home, or copy its file",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError("account_invalid", f"{path} holds no e-mail and password") from error
