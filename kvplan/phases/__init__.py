"""Prefill and decode apart: what moves between them, and the least time that each takes, as bounds."""
