"""One task a file: retries, cache policy, limits and one library call."""
