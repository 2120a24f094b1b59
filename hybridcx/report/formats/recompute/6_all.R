# ---- All tables, and the counts ----------------------------------------------------------------------------------------------

folder <- folder_of_this_file()
RNGversion("4.0.0"); set.seed(20260101)
ledger <- read_table("predictions.csv")
if (is.null(ledger)) ledger <- read_parquet("predictions.parquet")
ratings <- read_table(if (file.exists(file.path(folder, "ratings.csv"))) "ratings.csv" else "cohort.csv")
if (!is.null(ledger)) {
  compared <- read_table("comparisons.csv")
  check_metrics(read_table("metrics.csv"))
  check_comparisons(compared)
  if (!is.null(compared)) check_verdicts(read_table("verdicts.csv"), compared)
  check_multiplicity(read_table("multiplicity.csv"))
  check_omnibus(read_table("omnibus.csv"))
  check_confusion(read_table("confusion.csv"))
  check_disagreements(read_table("disagreements.csv"))
  check_calibration(read_table("calibration.csv"))
  roc <- read_table("roc.csv"); if (!is.null(roc)) check_roc(roc)
  check_decision_curve(read_table("decision_curve.csv"))
  check_curve_differences(read_table("decision_curve_differences.csv"))
  check_overlap(read_table("error_overlap.csv"))
  check_brier_parts(read_table("brier_decomposition.csv"))
  check_line(read_table("calibration_line.csv"))
  if (!is.null(ratings)) check_readers(read_table("reader_performance.csv"), ratings)
}
if (!is.null(ratings)) check_agreement(read_table("agreement.csv"), ratings)

# The numbers of tables that nothing here recomputes; inputs and tables of words have none.
held <- c("metrics.csv", "comparisons.csv", "verdicts.csv", "multiplicity.csv", "omnibus.csv", "confusion.csv", "disagreements.csv",
          "calibration.csv", "roc.csv", "decision_curve.csv", "decision_curve_differences.csv", "error_overlap.csv", "brier_decomposition.csv",
          "calibration_line.csv", "reader_performance.csv", "agreement.csv")
given_in <- c("predictions.csv", "training_size_predictions.csv", "ratings.csv", "cohort.csv", "split.csv", "printed.csv", "data_dictionary.csv", "checklist.csv")
for (name in setdiff(list.files(folder, pattern = "[.]csv$"), c(held, given_in))) {
  table <- read_table(name)
  if (!is.null(table)) leave(name, sum(!is.na(num(unlist(table)))))
}

for (key in sort(unique(c(names(tally$passed), names(tally$failed))))) {
  n <- tally$passed[[key]]; bad <- tally$failed[[key]]
  if (is.null(bad)) cat(sprintf("PASS  %d numbers  %s\n", n, key))
  else cat(sprintf("FAIL  %d of %d numbers  %s\n", bad, bad + (if (is.null(n)) 0L else n), key))
}
for (key in sort(names(tally$left))) cat(sprintf("NOT RECOMPUTED  %d numbers  %s\n", tally$left[[key]], key))
cat(head(tally$wrong, 50), sep = "\n")
if (length(tally$wrong) > 50) cat(sprintf("... and %d further differences\n", length(tally$wrong) - 50))
total <- function(x) sum(unlist(x), 0)
cat(sprintf("\n%s: %d numbers agree, %d differ, %d were not recomputed here (resampled, or of a kind listed above).\n",
            if (length(tally$wrong)) "FAIL" else "PASS", total(tally$passed), total(tally$failed), total(tally$left)))
if (length(tally$wrong)) { if (interactive()) stop("numbers differ") else quit(save = "no", status = 1) }
