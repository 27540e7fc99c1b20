"""One network: how it is built and run."""
