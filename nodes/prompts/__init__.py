"""The prompts, as files; the SHA-256 of the one that was used is recorded with every diagnosis."""
