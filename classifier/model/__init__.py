"""One network: what it learns from rows, how it is built and run."""
