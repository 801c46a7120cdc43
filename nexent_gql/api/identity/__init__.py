"""Who the caller is, the people of the tenant, and credentials."""
