"""Writing and following a topic of events: order, gaps, coalescing; the store is a port."""
