"""Files that people bring: predictions, ratings, published tables, lineage; read and checked."""
