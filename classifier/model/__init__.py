"""One network: how it is built, run, trained and saved."""
