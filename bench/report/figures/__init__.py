"""What records say, drawn. Figures read `report.numbers`; their colours are the same everywhere (`hues.py`).

Begin with `plots.py`.
"""
