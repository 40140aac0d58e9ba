"""The size of the fleet: decisions as pure functions."""
