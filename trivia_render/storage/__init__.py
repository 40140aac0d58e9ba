"""The local folder and the bucket behind one port; keys."""
