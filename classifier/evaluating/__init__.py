"""How well the model does: its forward pass, the rows to evaluate it on, its predictions."""
