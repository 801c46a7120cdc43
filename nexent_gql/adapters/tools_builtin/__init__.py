"""The tools that every installation has; each is a module with one `Tool`, and `BuiltinTools` is the box they lie in."""

from nexent_gql.adapters.tools_builtin.box import BuiltinTools

__all__ = ["BuiltinTools"]
