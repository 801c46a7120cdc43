"""The tools that every installation has, one module each."""

from nexent_gql.adapters.tools_builtin.calculator import calculator
from nexent_gql.adapters.tools_builtin.current_time import current_time
from nexent_gql.adapters.tools_builtin.wait import wait
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.ports.tools import Tool

__all__ = ["builtin_tools"]


def builtin_tools(clock: Clock = utc_now) -> tuple[Tool, ...]:
    """Return the built-in tools, in the order in which people see them."""
    return current_time(clock), calculator(), wait()
