"""Plan, render clips, assemble, publish, over passed-in ports."""
