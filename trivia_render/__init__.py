"""Narrated trivia videos from JSON job configs."""

#: Part of every clip key: raise it whenever the same plan would give other pictures or sound.
ENGINE_VERSION = "1"
