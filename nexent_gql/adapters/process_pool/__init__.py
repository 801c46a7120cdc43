"""The `processes` port: a pool of Python child processes.

`pool` distributes child processes, `child` is the parent's side of one, `child_main` the program that it runs,
`confinement` the restrictions of that program.
"""

from nexent_gql.adapters.process_pool.pool import ChildProcessPool

__all__ = ["ChildProcessPool"]
