"""A serving engine's own start-up on a machine without a GPU: its allocator measures, no kernel computes."""
