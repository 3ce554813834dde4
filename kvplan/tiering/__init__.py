"""Tiers of the KV cache: what the card, the host's memory, disks and a remote store hold and give back."""
