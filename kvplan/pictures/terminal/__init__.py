"""Charts in a terminal, of letters, blocks and the braille dots of plotille, imported here alone."""
