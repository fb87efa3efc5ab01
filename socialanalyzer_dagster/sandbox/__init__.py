"""A simulator of every vendor the pipeline calls, over a seeded world; nothing in production code imports it."""
