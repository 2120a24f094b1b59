# usage: Rscript make_curves.R FOLDER    (run in this folder; reads ../r/pred01.csv and pred04.csv)
# The band of an ROC curve (pROC::ci.se, 20,000 unstratified resamples) and the smooth of a calibration curve (stats::lowess).
suppressMessages(library(pROC))
set.seed(20261130)
rows <- list()
for (case in c("pred01", "pred04")) {
  d <- read.csv(file.path("..", "r", paste0(case, ".csv")))
  for (m in unique(d$model)) {
    own <- d[d$model == m, ]
    y <- as.integer(own$y_true == "abnormal")
    r <- roc(y, own$score, levels = c(0, 1), direction = "<", quiet = TRUE)
    at <- c(0.1, 0.3, 0.5, 0.7, 0.9)
    ci <- ci.se(r, specificities = at, boot.n = 20000, boot.stratified = FALSE, progress = "none")
    rows[[length(rows) + 1]] <- data.frame(case = case, model = m, quantity = "band", at = at, estimate = NA, low = ci[, 1], high = ci[, 3])
    s <- lowess(own$score, y, f = 2/3, iter = 0, delta = 0)
    keep <- !duplicated(s$x)
    rows[[length(rows) + 1]] <- data.frame(case = case, model = m, quantity = "lowess", at = s$x[keep], estimate = s$y[keep], low = NA, high = NA)
  }
}
write.csv(format(do.call(rbind, rows), digits = 15), "curves_expected.csv", row.names = FALSE, quote = FALSE)
