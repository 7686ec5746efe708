"""What records say, written: Markdown, LaTeX, the terminal, and the leaderboard's one page (`page/`).

Pages read `report.numbers` and put in `report.figures`. Begin with `readable.py`.
"""
