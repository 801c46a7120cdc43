"""Files of users: uploads, stored content, quotas, signed addresses, and the deletion of unreferenced content.

A `File` is a name of one user for a `FileObject`, which is stored once in a tenant, whatever refers to it.
"""
