"""One Dagster resource per external service: configure and close, nothing else."""
