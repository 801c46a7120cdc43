"""The `processes` port: a pool of Python child processes.

`pool` hands out children, `child` is our end of one, `child_main` the program that it runs, `confinement` what that
program may not do.
"""

from nexent_gql.adapters.process_pool.pool import ChildProcessPool

__all__ = ["ChildProcessPool"]
