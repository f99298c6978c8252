"""Sessions as one process sees them: the cache that keeps the hot path free of I/O."""
