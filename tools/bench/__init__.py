"""The benchmark: it compares genai's command line with the bare libraries, other programs, and the machine's limits."""
