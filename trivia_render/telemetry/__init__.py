"""What a process tells about its work while it goes on: logs that people and machines read."""
