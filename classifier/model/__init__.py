"""One network: what it learns of its inputs, how it is built, run, trained and saved."""
