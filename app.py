"""The CDK App: makes the stacks from the context. No AWS call, no credentials."""

from __future__ import annotations

import sys

from aws_cdk import App

from infra.deployment import build
from infra.options import OptionRefused, Options

app = App()
try:
    build(app, Options.read(app.node))
except OptionRefused as refused:
    sys.exit(f"app.py: {refused}")
app.synth()
