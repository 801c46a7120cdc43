"""What a benchmark found, as a section of RESULTS.md."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results

Written by `make bench`, a section for each benchmark. Read the ratios: they are of processes measured in the same run,
turn by turn; absolute figures depend on the machine and on what else it did. How it is measured: [README](README.md).
"""
_MANY = 100
_SECTION = re.compile(r"^## (\w+)\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class Report:
    """A section in the making: sentences, tables and verdicts, in order."""

    name: str
    title: str
    parts: list[str] = field(default_factory=list[str])
    missed: int = 0

    def say(self, *sentences: str) -> None:
        """Add a paragraph."""
        self.parts.append(" ".join(sentences))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table."""
        lines = [head, ["---"] * len(head), *rows]
        self.parts.append("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))

    def verdict(self, target: str, measured: str, *, holds: bool) -> None:
        """Add whether a target is met."""
        self.missed += not holds
        self.parts.append(f"- {'met' if holds else '**MISSED**'}: {target}: {measured}")

    def markdown(self, circumstances: str) -> str:
        """Return the section."""
        body = "\n\n".join(self.parts).replace("\n\n- ", "\n- ")
        return f"## {self.name}\n\n{self.title}\n\n{circumstances}\n\n{body}\n"


def write(name: str, section: str, order: Sequence[str]) -> None:
    """Replace a section of RESULTS.md; the others stay."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    sections = {match[1]: match[0].rstrip() + "\n" for match in _SECTION.finditer(text)} | {name: section}
    RESULTS.write_text("\n".join([_HEAD, *(sections[each] for each in order if each in sections)]))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of them lie; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def median(values: Sequence[float]) -> float:
    """Return the median; 0 when there are none."""
    return statistics.median(values) if values else 0.0


def short(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:.3g}" if abs(value) < _MANY else f"{value:,.0f}"
