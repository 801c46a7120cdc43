"""Worker processes: thin entry points that hand jobs to services; `python -m workers` runs one."""
