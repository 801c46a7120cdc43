"""What the project measures about itself, each beside a floor or a peer in the same run; `make bench`."""
