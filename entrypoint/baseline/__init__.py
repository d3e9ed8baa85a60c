"""The committed baseline: reading, writing, accepting, fingerprints. Knows no statistics and no Markdown."""
