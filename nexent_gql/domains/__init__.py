"""What the platform does, domain by domain, in a strict order; knows no GraphQL and no adapter."""
