"""Other models, other designs, other cards: what each would hold, side by side."""
