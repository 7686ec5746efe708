"""What a finished cell leaves behind: the record, where it was made, what it took.

All that measures or reports may import from here; this wing imports only `tabstep.data`. Begin with `store.py`.
"""
