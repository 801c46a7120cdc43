"""The tools that every installation has: a module for each, and the box they lie in."""

from nexent_gql.adapters.tools_builtin.box import BuiltinTools

__all__ = ["BuiltinTools"]
