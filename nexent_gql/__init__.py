"""A GraphQL API server for AI agents; importing it reads no environment and opens nothing."""
