"""Values and rules that every room shares: no I/O, no settings, no domain."""
