"""Frozen models shared by every room. No I/O."""
