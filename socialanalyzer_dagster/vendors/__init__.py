"""Typed async clients, one per vendor: they describe calls, the spending gate sends them."""
