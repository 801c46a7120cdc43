"""Writing and reading topics of events: order, gaps, coalescing. The store is a port."""
