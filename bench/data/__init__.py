"""Tables on their way in: cards, sources, columns, encoding, completion.

Every wing may import from here; this wing imports only itself.
Begin with `table.py`, then `cards.py`.
"""
