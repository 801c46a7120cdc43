"""The GraphQL API of `domains.agents`."""
