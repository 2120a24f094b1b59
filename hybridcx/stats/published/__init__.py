"""Published tables: the confusion matrices that produce printed values, and the tests that these allow."""
