"""The recipe of genai_cli/layouts: what single-file checkpoints need beside their weights."""
