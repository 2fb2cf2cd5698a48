"""``python -m tests.weather [word]``: run the cases (those whose name holds the word) and print the table."""

from __future__ import annotations

import sys
import tempfile
import traceback
from contextlib import closing
from pathlib import Path

from localcloud.cloud import Cloud
from tests.weather.cases import CASES, Case
from tests.weather.stage import Stage, make_world


def main() -> int:
    """Return 1 if a promise was not kept."""
    wanted = " ".join(sys.argv[1:]).lower()
    with tempfile.TemporaryDirectory(prefix="arche-weather-") as folder:
        world = make_world(Path(folder) / "world")
        with (
            Cloud(Path(folder) / "cloud", world=world, fresh=True, schedules=False, say=print) as cloud,
            closing(Stage.build(cloud)) as stage,
        ):
            for domain in stage.tenants:
                stage.back_up(domain)
            print(f"{'case':34} | {'promised':75} | seen")
            cases = [case for case in CASES if wanted in case.name]
            gaps = sum(not _one(case, stage) for case in cases)
    print(f"weather {'ok' if cases and not gaps else 'failed'}: cases={len(cases)} gaps={gaps}")
    return 0 if cases and not gaps else 1


def _one(case: Case, stage: Stage) -> bool:
    kept = True
    promised, name = case.promised, case.name
    try:
        for seen, good in case.run(stage):
            print(f"{name:34} | {promised:75} | {'' if good else 'GAP: '}{seen}", flush=True)
            kept, name, promised = kept and good, "", ""
    except Exception as error:  # noqa: BLE001 - a case that dies is a gap, the others still run
        print(f"{name:34} | {promised:75} | GAP: {error!r}", flush=True)
        traceback.print_exc()
        kept = False
    finally:
        stage.control.clear()
    return kept


if __name__ == "__main__":
    sys.exit(main())
