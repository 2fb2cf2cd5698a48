"""Every (method, path template, status) that the Microsoft 365 room uses, as the story of room.py shows it.

A call that is not listed, and one that is listed and was not seen, are failures: whoever teaches the room a new call
adds it here, to the story, and so to what the vendor's CSDL judges. ``$batch GET`` is a GET inside of a batch.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import arche.providers.microsoft365
from tests.oracle.tape import Seen

_USER: Final = "/users/{id}"
_FOLDER: Final = f"{_USER}/mailFolders/{{id}}"
_MESSAGE: Final = f"{_USER}/messages/{{id}}"
_CALLS: Final[dict[str, tuple[int, ...]]] = {
    # Tokens and consent: 401 a wrong secret, 400 a code used twice and a withdrawn consent.
    "GET /{tenant}/v2.0/.well-known/openid-configuration": (200,),
    "GET /{tenant}/discovery/v2.0/keys": (200,),
    "POST /{tenant}/oauth2/v2.0/token": (200, 400, 401, 429),
    # Discovery.
    "GET /users": (200, 401, 403),
    "POST /$batch": (200,),
    f"$batch GET {_USER}/mailboxSettings": (200, 429),
    # Changes: 403 an access policy, 404 no mailbox, 507 over its quota, 400 and 410 dead cursors.
    f"GET {_USER}/mailFolders/delta": (200, 403, 404, 410, 507),
    f"GET {_FOLDER}": (200, 404),
    f"GET {_FOLDER}/messages/delta": (200, 400, 410),
    # Content.
    f"GET {_MESSAGE}": (200, 404, 429, 502, 503, 504),
    f"GET {_MESSAGE}/$value": (200, 404, 500),
    f"GET {_MESSAGE}/attachments": (200,),
    f"GET {_MESSAGE}/attachments/{{id}}": (200,),
    f"GET {_MESSAGE}/attachments/{{id}}/$value": (200,),
    # Restore: 404 no such folder, 409 a folder that is there, 413 over the tenant's limit, 400 and 403 refused.
    f"GET {_FOLDER}/childFolders": (200,),
    f"POST {_FOLDER}/childFolders": (201, 409),
    f"GET {_FOLDER}/messages": (200, 404),
    f"POST {_FOLDER}/messages": (201, 400, 403),
    f"POST {_MESSAGE}/attachments": (201,),
    f"POST {_MESSAGE}/attachments/createUploadSession": (201, 400, 404, 413),
    "PUT /AttachmentSessions/{id}": (200, 201, 404, 429),
    f"DELETE {_MESSAGE}": (204,),
    f"POST {_MESSAGE}/permanentDelete": (204,),
}
_BRACE: Final = re.compile(r"\{\w+\}")
# A template as the room writes it; what ends with a slash is the beginning of an address.
_TEMPLATE: Final = re.compile(r"/(users|\$batch|AttachmentSessions)\b([^ ?]*[^ ?/])?")


def expected() -> set[Seen]:
    """Give the list."""
    return {
        (call.rpartition(" ")[0], call.rpartition(" ")[2], status)
        for call, statuses in _CALLS.items()
        for status in statuses
    }


def unlisted_templates() -> set[str]:
    """Give the templates in the room's source that the list does not name in any method or status."""
    listed = {template for _, template, _ in expected()}
    found: set[str] = set()
    for path in Path(str(arche.providers.microsoft365.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _TEMPLATE.fullmatch(node.value):
                found.add(_BRACE.sub("{id}", node.value))
    return found - listed
