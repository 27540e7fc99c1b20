"""How one network is trained and saved."""
