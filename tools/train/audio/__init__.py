"""The small text-to-audio model: single melodies of seven instruments, synthesised by the recipe."""
