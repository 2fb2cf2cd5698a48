"""Findings of cdk-nag that stay, each with its reason. One that no longer occurs is an error of the tests."""

from __future__ import annotations

from aws_cdk import App


def acknowledge(app: App) -> None:
    """Acknowledge the findings below on the constructs that have them."""
