"""The ports' implementations, named `<port>_<technology>`."""
