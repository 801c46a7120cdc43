"""Worker processes; `python -m workers` runs one."""
