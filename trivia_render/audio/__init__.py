"""Sound: effects and music made here, mixing, ducking, loudness."""
