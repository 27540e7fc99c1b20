"""One network: what it learns of its inputs, how it is built and run."""
