"""A clock that a test moves."""

from datetime import datetime, timedelta

from nexent_gql.kernel.clock import utc_now


class MovableClock:
    """Shows the real time, ahead by what a test has let pass."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead += timedelta(seconds=seconds)
