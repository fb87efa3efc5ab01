"""A simulator of every vendor the pipeline calls, over a seeded world of creators; nothing in production code imports it."""
