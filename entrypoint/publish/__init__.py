"""Where a report goes: the runner's files and annotations, and pull request comments. Knows no metric."""
