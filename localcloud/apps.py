"""The apps that an operator registers with the platforms: at the simulators here, by hand in Entra otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


def register_apps(cloud: Cloud, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Register backup and restore app with certificates of the KMS keys, and write the secret that names them."""
    return dict(earlier)
