"""The layers: our own code as it lies, and the third-party set that ``layers/build.py`` makes."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.options import ROOT, OptionRefused, Options

RUNTIME = lambda_.Runtime.PYTHON_3_13


def architecture(options: Options) -> lambda_.Architecture:
    """The processor the functions run on."""
    return lambda_.Architecture.ARM_64 if options.architecture == "arm64" else lambda_.Architecture.X86_64


class Layers(Construct):
    """``core`` (arche) and ``vendor``."""

    def __init__(self, scope: Stack, name: str, options: Options) -> None:
        super().__init__(scope, name)
        vendor = ROOT / options.vendor_layer
        if not vendor.is_file():
            raise OptionRefused(
                f"context vendor_layer={options.vendor_layer}: no layer is built there. Run `python layers/build.py` "
                "(for Lambda) or `python layers/build.py --local` (for the embedded cloud).",
            )
        self.core = lambda_.LayerVersion(
            self,
            "Core",
            description="arche",
            code=lambda_.Code.from_asset(str(ROOT / "layers" / "core"), exclude=["**/__pycache__", "**/*.pyc"]),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[architecture(options)],
        )
        self.vendor = lambda_.LayerVersion(
            self,
            "Vendor",
            description="Third-party libraries, pinned by hash",
            code=lambda_.Code.from_asset(str(vendor)),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[architecture(options)],
        )
