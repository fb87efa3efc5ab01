"""Asset checks: statements that are true when green."""
