"""`python -m tabstep` is `tabstep`."""

from tabstep.cli import app

if __name__ == "__main__":
    app()
