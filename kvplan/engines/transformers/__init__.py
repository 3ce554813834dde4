"""What the caches of transformers keep, allocate and refuse."""
