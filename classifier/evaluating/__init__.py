"""How well the model does: its forward pass, the rows to try it on, what came of each."""
