"""``python -m bench [part]``: run one part, or all; exit 1 when a target is missed."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Final

from bench.figures import forget, report

PARTS: Final = ("main-job",)


def main() -> int:
    """Run the parts and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts (default: all)")
    met = True
    for part in parser.parse_args().parts or PARTS:
        forget(part)
        module = importlib.import_module(f"bench.{part.replace('-', '_')}")
        met = report(part, module.measure()) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
