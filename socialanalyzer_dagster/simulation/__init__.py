"""A simulated month: the real definitions over simulated time, vendors and people."""
