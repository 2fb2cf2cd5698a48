"""The CDK App: makes the stacks from the context. No AWS call, no credentials."""

from __future__ import annotations

from aws_cdk import App

from infra.deployment import build
from infra.options import Options

app = App()
build(app, Options.read(app.node))
app.synth()
