"""Knowledge bases and their documents in the schema."""
