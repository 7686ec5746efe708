"""Reports, made from the records alone: numbers, then figures, then pages; each imports only those before it.

Studies, sharing and the command line may import from here. Begin with `numbers/table.py`.
"""
