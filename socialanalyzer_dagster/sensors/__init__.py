"""Sensors: they launch queued batches, poll vendor jobs and record run outcomes."""
