"""The `sandbox` port over `monty`, a Python subset that runs in isolated worker processes.

`session` runs snippets in one of them, `values` converts results.
"""

from nexent_gql.adapters.sandbox_monty.sandbox import MontySandbox

__all__ = ["MontySandbox"]
