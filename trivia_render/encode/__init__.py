"""FFmpeg: profiles, pure argument builders, encoder probe, runners, assembly."""
