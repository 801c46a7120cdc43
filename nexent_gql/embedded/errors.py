"""What can go wrong with an embedded engine, said in one sentence that tells what to do."""

from pathlib import Path


class EngineError(Exception):
    """An engine can't be started, reached or stopped; the message is fit to print to a person."""


class AlreadyRunningError(EngineError):
    """Another process holds the state folder.

    Attributes:
        holder: What that process wrote with `StateLock.describe`, e.g. `{"pid": 41, "url": ...}`;
            empty when it has not written anything yet.
    """

    def __init__(self, state_dir: Path, holder: dict[str, object]) -> None:
        """Say which folder is held, and by whom as far as that is known."""
        facts = ", ".join(f"{key} {value}" for key, value in holder.items()) or "no details yet"
        super().__init__(f"Already running on {state_dir} ({facts}); stop it or choose another state folder.")
        self.holder = holder
