"""Voices behind one port: Google Cloud Text-to-Speech, the offline neural voice, silence."""
