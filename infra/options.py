"""What an operator may choose: the context of the CDK App, read once into one frozen object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from constructs import Node

ROOT = Path(__file__).resolve().parent.parent
"""The repository: assets are taken from here."""


class OptionRefused(Exception):  # noqa: N818 - the name says what happened
    """A context value that cannot be used; the message says which one and what is allowed."""


@dataclass(frozen=True, slots=True)
class Options:
    """Context keys with their defaults; ``docs/operate.md`` explains them. ``cdk.json`` repeats what is usual.

    Values given by ``-c key=value`` are texts; those of ``concurrency``, ``reserved`` and ``tags`` are JSON objects.
    """

    prefix: str = "arche"
    """Begins the name of every role, function, machine and bucket; key and bucket policies rely on it."""
    region: str = ""
    """Home region; empty for the one of the caller's credentials. A second region needs it to be said."""
    second_region: str = ""
    """Region of the read-only copies (buckets and key); empty for none."""
    public_url: str = ""
    """Address of the API as partners and vendors see it; empty for the one that API Gateway gives."""
    dashboard_url: str = "http://localhost:5173/"
    """Where the log-in comes back to."""
    mfa: str = "required"
    """``required``, or ``optional`` for a place without real data."""
    script_client: str = "no"
    """``yes`` adds an app client for scripts that hold credentials of the AWS account."""
    architecture: str = "arm64"
    """``arm64`` or ``x86_64``; the vendor layer must have been built for it."""
    vendor_layer: str = "layers/vendor/python/lambda/layer.zip"
    """The built vendor layer."""
    machines: str = "infra/machines"
    """Folder of the state machines' files."""
    schedules: str = "on"
    """``off`` stops slots, discovery and metering (a kill switch; runs by hand go on)."""
    deploy_with: str = "bootstrap-roles"
    """``cli-credentials`` deploys with the caller's own rights instead of the roles of the CDK bootstrap."""
    check: str = "yes"
    """``no`` skips the rules of cdk-nag while synthesizing."""
    log_days: int = 90
    """How long logs are kept: 30, 90, 180 or 365 days."""
    alarm_mail: str = ""
    """Who is told of alarms; empty for nobody (the topic is there all the same)."""
    egress_proxy: str = ""
    """``HTTPS_PROXY`` of functions that talk to platforms."""
    no_proxy: str = "127.0.0.1,localhost,169.254.169.254,.amazonaws.com"
    """``NO_PROXY`` beside it."""
    ca_bundle: str = ""
    """``SSL_CERT_FILE`` of those functions: a file in a layer, or on the machine of the embedded cloud."""
    concurrency: Mapping[str, int] = field(
        default_factory=lambda: {"Increments": 200, "Firsts": 50, "Rest": 50, "Deliver": 20}
    )
    """``MaxConcurrency`` of each distributed map, by the name of its state."""
    reserved: Mapping[str, int] = field(default_factory=dict)
    """Reserved concurrency by function, for accounts that have room (new ones start with 10 in all)."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of everything."""

    @classmethod
    def read(cls, node: Node) -> Self:
        """Read the context of the App. Raises OptionRefused for values outside the allowed ones."""
        given: dict[str, Any] = {}
        for name, option in cls.__dataclass_fields__.items():
            value = node.try_get_context(name)
            if value is None:
                continue
            if name in {"concurrency", "reserved", "tags"}:
                value = _mapping(name, value)
            elif option.type == "int":
                value = _number(name, value)
            given[name] = value if isinstance(value, dict | int) else str(value)
        options = cls(**given)
        options._refuse()
        return options

    def _refuse(self) -> None:
        allowed = {
            "mfa": ("required", "optional"),
            "script_client": ("yes", "no"),
            "architecture": ("arm64", "x86_64"),
            "schedules": ("on", "off"),
            "deploy_with": ("bootstrap-roles", "cli-credentials"),
            "check": ("yes", "no"),
            "log_days": (30, 90, 180, 365),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise OptionRefused(f"context {name}={getattr(self, name)}: use one of {', '.join(map(str, choices))}")
        if self.second_region and self.region in {"", self.second_region}:
            raise OptionRefused("context second_region needs another region in context region: say both")


def _mapping(name: str, value: Any) -> dict[str, Any]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else dict(value)
        return {str(key): int(item) if name != "tags" else str(item) for key, item in parsed.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise OptionRefused(f'context {name} is no JSON object such as {{"Firsts": 50}}') from error


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (ValueError, TypeError) as error:
        raise OptionRefused(f"context {name}={value} is no whole number") from error
