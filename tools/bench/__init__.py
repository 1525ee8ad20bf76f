"""The benchmark: genai's command line against the bare libraries, other programs, and the machine's limits."""
