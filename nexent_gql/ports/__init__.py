"""What the domains need from the world: protocols and the values that cross them."""
