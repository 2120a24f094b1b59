"""Methods, results and caveats in words."""
