"""The seeded world: creators, their texts, pages and mailboxes, all derived by hashing (seed, kind, index)."""
