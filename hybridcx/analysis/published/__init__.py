"""Published tables: readings, matrices, tests, and values printed beside ours."""
