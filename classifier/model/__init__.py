"""The network, how it is run and how it is saved."""
