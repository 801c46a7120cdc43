"""Programs that ours is measured beside; each serves `/graphql` on a port of the loopback."""
