"""A part's figures: printed as a table, written as ``bench/results/<name>.json``, judged by their targets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

RESULTS: Final = Path(__file__).parent / "results"
Rule = Literal["<=", ">=", "==", "printed"]


@dataclass(frozen=True)
class Figure:
    """One measured value with its unit; ``rule`` and ``bound`` make the target, ``printed`` has none."""

    value: float
    unit: str
    rule: Rule = "printed"
    bound: float = 0

    @property
    def target(self) -> str:
        """The target in words."""
        return "-" if self.rule == "printed" else f"{self.rule} {self.bound:g} {self.unit}"

    @property
    def ok(self) -> bool:
        """Whether the target is met; a printed figure has none to miss."""
        checks = {"<=": self.value <= self.bound, ">=": self.value >= self.bound, "==": self.value == self.bound}
        return checks.get(self.rule, True)


def forget(name: str) -> None:
    """Remove the part's old results, so that a run that dies leaves none behind."""
    (RESULTS / f"{name}.json").unlink(missing_ok=True)


def report(name: str, figures: dict[str, Figure]) -> bool:
    """Print the table, write the file, and tell whether every target is met."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    flat = {k: {"value": f.value, "unit": f.unit, "target": f.target, "ok": f.ok} for k, f in figures.items()}
    (RESULTS / f"{name}.json").write_text(json.dumps(flat, indent=2) + "\n", encoding="utf-8")
    width = max(map(len, figures))
    print(f"{name:<{width}}  {'value':>14}  {'target':<16}  ok")
    for key, figure in figures.items():
        value = f"{figure.value:,.{3 if figure.value % 1 else 0}f} {figure.unit}"
        print(f"{key:<{width}}  {value:>14}  {figure.target:<16}  {'yes' if figure.ok else 'NO'}")
    return all(f.ok for f in figures.values())
