"""The tools that agents can call: listing them for a tenant, and calling them."""
