"""What operators see: livez/readyz/metrics, the access log, the log."""
