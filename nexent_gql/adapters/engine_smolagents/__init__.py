"""The agent engine on smolagents: its loop in a thread for each run, all I/O on the event loop.

`engine` starts and stops runs, `threads` joins a thread to the loop, `agents` are the two loops, and the rest works on
the event loop: `model_calls`, `tool_calls` and `snippets` each do an effect once, and write it into the `journal`.
"""

from nexent_gql.adapters.engine_smolagents.engine import SmolagentsEngine
from nexent_gql.adapters.engine_smolagents.journal import recorded_opaque, recorded_text

__all__ = ["SmolagentsEngine", "recorded_opaque", "recorded_text"]
