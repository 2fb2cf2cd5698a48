"""The platforms that there are. A new one is one more line here."""

from __future__ import annotations

from simulators import microsoft365
from simulators.frame.platform import Build

BUILDS: tuple[Build, ...] = (microsoft365.build,)
