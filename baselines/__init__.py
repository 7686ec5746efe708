"""Competitors, one a file: `fit(train, schema, seed, device)` gives a model that samples rows."""
