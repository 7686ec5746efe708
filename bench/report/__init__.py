"""Reports: tables and figures, made from the records alone."""
