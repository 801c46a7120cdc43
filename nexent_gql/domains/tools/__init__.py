"""The tools that agents can call: what there is for a tenant, and calls of them."""
