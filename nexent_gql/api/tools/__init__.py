"""The GraphQL API of `domains.tools`."""
