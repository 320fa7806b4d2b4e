"""Lessons, one file each; the page Learn finds them by their `LESSON`."""
