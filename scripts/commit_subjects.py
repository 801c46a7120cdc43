"""Checks the subjects of commits: at most 72 characters, in the imperative, no full stop.

Commits up to `BASE` were written under another rule. A clone without history passes.
"""

import re
import subprocess
import sys

BASE = "0f598df"
MAX_CHARS = 72
NOUNS_AND_PRONOUNS = {"A", "An", "The", "What", "Who", "It", "Results", "Each", "All", "No", "This"}
IMPERATIVES = {
    *("Access", "Address", "Bypass", "Compress", "Discuss", "Express", "Focus", "Pass", "Press", "Process", "Suppress"),
    *(
        "Bring",
        "Ping",
        "Ring",
        "String",
        "Embed",
        "Exceed",
        "Feed",
        "Need",
        "Proceed",
        "Seed",
        "Shed",
        "Speed",
        "Spread",
    ),
}


def problems(subject: str) -> list[str]:
    """Return what is wrong with a subject, in words."""
    first = re.split(r"[\s:,]", subject, maxsplit=1)[0]
    messages: list[str] = []
    if len(subject) > MAX_CHARS:
        messages.append(f"has {len(subject)} characters, {MAX_CHARS} are allowed")
    if subject.endswith("."):
        messages.append("ends with a full stop")
    if not first[:1].isupper():
        messages.append("does not begin with a capital letter")
    if first in NOUNS_AND_PRONOUNS or (first not in IMPERATIVES and re.search(r"(ed|ing|[^s]s)$", first)):
        messages.append(f"begins with “{first}”, which is no imperative")
    return messages


def main() -> int:
    """Check all commits since `BASE`."""
    log = ["git", "log", "--no-merges", "--format=%h %s", f"{BASE}..HEAD"]
    listed = subprocess.run(log, capture_output=True, text=True, check=False)
    if listed.returncode:
        print("commit subjects: no history here, nothing to check")
        return 0
    failures = 0
    for line in listed.stdout.splitlines():
        commit, _, subject = line.partition(" ")
        for problem in problems(subject):
            failures += 1
            print(f"{commit} {subject}\n    {problem}", file=sys.stderr)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
