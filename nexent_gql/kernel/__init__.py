"""Values and rules that all packages share, without I/O, settings or domains."""
