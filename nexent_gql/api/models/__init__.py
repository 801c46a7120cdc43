"""The GraphQL API of `domains.models`."""
