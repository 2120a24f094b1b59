"""Which method applies to what: rows of the tables, families, verdicts, seeds, readers, published tables. No formulas."""
