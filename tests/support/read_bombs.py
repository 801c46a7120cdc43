"""Reads the files of a folder one by one, and prints what each has cost, as the system has counted it.

A process of its own: its children are those of the pool, and it is small, because a child begins as large as its
parent.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.ports.extraction import ExtractionError, ExtractionLimits


def _cpu_s() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _read(path: Path, limits: ExtractionLimits) -> dict[str, object]:
    before = _cpu_s()
    async with ChildProcessPool(size=1) as pool:
        try:
            document = await ProcessExtractor(pool, limits).extract(path, name=path.name, owner=SYSTEM)
        except ExtractionError as error:
            outcome = error.code, error.message
        else:
            outcome = "", document.text[-20:]
    return {"code": outcome[0], "message": outcome[1], "cpu_s": _cpu_s() - before}


async def main(paths: Sequence[Path], limits: ExtractionLimits) -> None:
    """Print one line of JSON for each file, and a last one with the largest memory of a child."""
    for path in paths:
        print(json.dumps({"name": path.parent.name, **await _read(path, limits)}), flush=True)  # noqa: T201
    print(json.dumps({"peak_bytes": getrusage(RUSAGE_CHILDREN).ru_maxrss * 1024}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sorted(Path(sys.argv[1]).glob("*/*")), ExtractionLimits.model_validate_json(sys.argv[2])))
