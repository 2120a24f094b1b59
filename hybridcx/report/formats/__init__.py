"""Forms of a report: HTML, CSV, Word, LaTeX, a paper's draft, the R program."""
