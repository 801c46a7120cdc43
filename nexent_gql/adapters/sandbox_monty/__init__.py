"""Code in `monty`, a Python subset that runs in worker processes which can reach nothing.

`session` runs snippets in one, `values` carries results out; the port is `sandbox`.
"""

from nexent_gql.adapters.sandbox_monty.sandbox import MontySandbox

__all__ = ["MontySandbox"]
