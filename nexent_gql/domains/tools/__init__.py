"""The tools of the installation: what there is, and whether a choice of names is valid.

Owns no rows and runs nothing: the box of tools is a port, and runs call it.
"""
