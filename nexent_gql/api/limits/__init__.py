"""What bounds operations and connections: the shape of documents, cost, connections per caller."""
