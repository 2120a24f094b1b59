# ---- The other tables: verdicts, families, counts and curves ---------------------------------------------------------------

LOWER_IS_BETTER <- c("brier", "log_loss", "ece", "lr_negative")

above <- function(a, b) a - b > 1e-12  # a limit on 0 or on the margin, within rounding, is not beyond it
# The verdict rule: one interval [L, U], larger is better; superior and inferior need the adjusted p too.
verdict_rule <- function(low, high, margin, adjusted, alpha) {
  if (is.na(low) || is.na(high) || !above(high, low)) return("inconclusive")
  if (above(low, 0) && isTRUE(adjusted < alpha)) return("superior")
  if (above(0, high) && isTRUE(adjusted < alpha)) return("inferior")
  if (!is.na(margin) && above(low, -margin) && above(margin, high)) return("equivalent")
  if (!is.na(margin) && above(low, -margin)) "non_inferior" else "inconclusive"
}
# Why a method does not hold for the data, in the words of the warning: no verdict but inconclusive then
OUTSIDE <- paste(c("outside the simulated domain", "no simulation shows", "no interval covers", "no interval for a difference of odds",
                   "log loss depends on the value", "no method keeps its type I error", "no verdict on out-of-fold predictions"), collapse = "|")
size_named <- function(part, words) {
  counted <- c(cases = part$n, events = min(sum(part$y), sum(!part$y)), clusters = part$clusters)
  named <- regmatches(words, regexec("method: ([0-9]+) (cases in the smaller class|cases|patients), it holds from ([0-9]+) on", words))[[1]]
  if (!length(named)) return(TRUE)
  kind <- switch(named[3], cases = "cases", patients = "clusters", "events")
  as.numeric(named[2]) == counted[[kind]] && as.numeric(named[2]) < as.numeric(named[4])
}
# Student's t has degrees of freedom in `parameter` for these methods
STUDENT <- c("nadeau_bengio", "delong_cluster", "obuchowski_rockette", "bootstrap_hierarchical")
check_verdicts <- function(table, compared) {
  for (i in seq_len(NROW(table))) {
    row <- table[i, ]; key <- "verdicts.csv"; where <- naming(row, c("metric", "model", "comparator")); metric <- row$metric
    of <- compared[compared$metric == metric & compared$model == row$model & compared$comparator == row$comparator &
                   compared$subgroup == "NA" & compared$seed == "NA" & compared$label.rule == "NA", ]
    rests <- of[of$method == row$method, ]
    if (!nrow(rests)) { difference(key, where, "method", row$method, NA); next }
    rests <- rests[1, ]
    for (column in c("estimate", "conf.low", "conf.high")) hold(key, where, column, num(row[[column]]), num(rests[[column]]))
    test <- if (rests$method == "tango") of[of$method == "mcnemar_exact", ][1, ] else rests
    turned <- metric %in% LOWER_IS_BETTER; margin <- num(row$margin); plain <- num(c(row$conf.low, row$conf.high))
    both <- num(c(row$conf.low.simultaneous, row$conf.high.simultaneous)); if (turned) both <- -rev(both)
    low <- both[1]; high <- both[2]; wide <- !is.na(low) && !is.na(high) && above(high, low)
    part <- slice_of_row(list(seed = "NA"))
    folds <- if ("fold" %in% names(ledger)) length(setdiff(unique(ledger$fold), "NA")) else 1
    outside <- grepl(OUTSIDE, row$warning) || folds > 1
    if (outside && !is.null(part) && !size_named(part, row$warning)) difference(key, where, "warning", row$warning, "other sizes of the data")
    hold_words(key, where, "verdict", row$verdict,
               if (outside) "inconclusive" else verdict_rule(low, high, margin, num(test$adj.p.value), 1 - settings$conf.level))
    hold_words(key, where, "within.margin", row$within.margin,
               if (!wide || is.na(margin)) "NA" else if (above(low, -margin) && above(margin, high)) "TRUE" else "FALSE")
    hold(key, where, "smallest.margin", num(row$smallest.margin), if (is.na(low) || is.na(high) || low == high) NA else max(-low, high))
    # The limits that hold for the pairs of a metric together (Bonferroni)
    pairs <- sum(table$metric == metric); level <- 1 - (1 - settings$conf.level) / pairs
    found <- if (is.null(part)) NULL else inverted(part, metric, row$model, row$comparator, level, num(rests$threshold))
    columns <- c("p.superior", "p.noninferior", "p.equivalent"); simultaneous <- c("conf.low.simultaneous", "conf.high.simultaneous")
    if (is.null(found)) {
      # Without the law of the draws: no narrower than the pair's own limits
      if (wide && !all(is.na(plain))) hold_words(key, where, "conf.low.simultaneous", num(row[[simultaneous[1]]]) <= plain[1] + 1e-12 &&
                                                 num(row[[simultaneous[2]]]) >= plain[2] - 1e-12, TRUE)
      leave(paste(key, "simultaneous limits of resampled intervals"), sum(!is.na(num(unlist(row[simultaneous])))))
      leave(paste(key, "p of resampled intervals"), sum(!is.na(num(unlist(row[columns])))))
    } else {
      size <- max(abs(c(0, num(row$estimate), num(rests$std.error))), na.rm = TRUE)
      for (k in 1:2) hold(key, where, simultaneous[k], num(row[[simultaneous[k]]]), found$row[[c("conf.low", "conf.high")[k]]], 1e-7, size)
      values <- c(NA, NA, NA)
      if (!is.na(plain[1]) && plain[1] != plain[2])
        values <- c(found$above(0)[1], if (is.na(margin)) c(NA, NA) else c(found$above(-margin)[1], max(found$above(-margin)[1], found$above(margin)[2])))
      # beyond the range of a clipped interval a search stops at its smallest level
      for (k in 1:3) hold_within(key, where, columns[k], num0(row[[columns[k]]]), num0(values[k]), 1e-7 + 1e-5 * abs(num0(values[k])))
    }
    se <- num(rests$std.error)
    if (rests$method == "tango") leave(paste(key, "detectable.difference of the exact test"), as.integer(given(row$detectable.difference)))
    else if (rests$method %in% STUDENT && is.finite(num(rests$parameter)))
      leave(paste(key, "detectable.difference by Student's t"), as.integer(given(row$detectable.difference)))
    else hold(key, where, "detectable.difference", num(row$detectable.difference),
              if (is.na(se) || se == 0) NA else (z_of(level) + qnorm(0.8)) * se)
  }
}
num0 <- function(x) { v <- num(as.character(x)); if (is.na(v)) -1 else v }  # both absent agree

check_multiplicity <- function(table) {
  if (is.null(table)) return(invisible())
  name <- c(none = "none", holm = "holm", hochberg = "hochberg", BH = "BH")
  for (f in unique(paste(table$metric, table$method, table$p.adjust.method, sep = "\r"))) {
    own <- table[paste(table$metric, table$method, table$p.adjust.method, sep = "\r") == f, ]
    by <- own$p.adjust.method[1]; key <- paste("multiplicity.csv", by)
    if (by %in% names(name)) {
      again <- p.adjust(num(own$p.value), name[[by]])
      for (i in seq_len(nrow(own))) hold(key, naming(own[i, ], c("metric", "model", "comparator", "method")), "adj.p.value", num(own$adj.p.value[i]), again[i])
    } else leave(key, sum(!is.na(num(c(own$p.value, own$adj.p.value, own$conf.low, own$conf.high)))))
  }
}

check_omnibus <- function(table) {
  for (i in seq_len(NROW(table))) {
    row <- table[i, ]; key <- paste("omnibus.csv", row$method); part <- slice_of_row(row)
    if (is.null(part) || (part$folds && row$metric == "auroc")) { leave(key, numbers_in(row)); next }
    if (row$method == "cochran_q") {  # Cochran (1950)
      x <- sapply(part$called, function(p) as.integer(p == part$y)); k <- ncol(x); top <- (k - 1) * (k * sum(colSums(x)^2) - sum(x)^2)
      bottom <- k * sum(x) - sum(rowSums(x)^2); q <- if (bottom > 0) top / bottom else NA
      again <- list(statistic = q, parameter = k - 1, p.value = if (is.na(q)) 1 else pchisq(q, k - 1, lower.tail = FALSE), n = part$n, k = k)
    } else {  # DeLong (1988), section 4: contrasts with the first model, a generalised inverse
      v <- lapply(part$score, function(s) placements(part$y, s)); auc <- vapply(v, `[[`, 0, "auc"); k <- length(v)
      cov <- outer(seq_len(k), seq_len(k), Vectorize(function(i, j) delong_cov(v[[i]], v[[j]])))
      if (anyNA(auc) || anyNA(cov)) { leave(key, numbers_in(row)); next }
      L <- cbind(1, -diag(k - 1)); e <- eigen(L %*% cov %*% t(L), symmetric = TRUE)
      kept <- e$values > 1e-13 * sum(diag(cov)); at <- drop(t(e$vectors) %*% (L %*% auc))
      again <- list(statistic = NA, parameter = sum(kept), p.value = NA, n = part$n, k = k)
      if (!any(abs(at[!kept]) > 1e-9)) {
        if (any(kept)) again$statistic <- sum(at[kept]^2 / e$values[kept])
        again$p.value <- if (any(kept)) pchisq(again$statistic, sum(kept), lower.tail = FALSE) else 1
      }
    }
    hold_row(key, row$metric, row, again, 1e-7)
  }
}

check_confusion <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row)
  if (is.null(part)) { leave("confusion.csv", 4); next }
  m <- confusion_of(part$y, part$called[[row$model]])
  for (cell in names(m)) hold("confusion.csv", naming(row, c("model", "seed")), cell, num(row[[cell]]), m[[cell]])
}
check_disagreements <- function(table) {
  part <- slice_of_row(list())
  if (is.null(table)) return(invisible())
  if (is.null(part)) return(leave("disagreements.csv", nrow(table)))
  wrong <- Reduce(`+`, lapply(part$called, function(p) as.integer(p != part$y)))
  if (!identical(sort(table$case_id), sort(part$cases[wrong > 0])))
    difference("disagreements.csv", "case_id", "cases", nrow(table), sum(wrong > 0))
  at <- match(table$case_id, part$cases)
  for (i in seq_len(nrow(table))) {
    hold("disagreements.csv", table$case_id[i], "n.models.wrong", num(table$n.models.wrong[i]), wrong[at[i]])
    hold_words("disagreements.csv", table$case_id[i], "y_true", table$y_true[i], part$truth[at[i]])
    for (m in intersect(part$models, names(table))) hold_words("disagreements.csv", table$case_id[i], m, table[[m]][i], part$calls[[m]][at[i]])
  }
}
check_calibration <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "calibration.csv"
  if (is.null(part)) { leave(key, 5); next }
  s <- part$score[[row$model]]; inside <- bin_of(s) + 1 == num(row$bin); x <- sum(part$y[inside]); n <- sum(inside)
  limits <- wilson(x, n, settings$conf.level)
  again <- list(score.mean = mean(s[inside]), fraction = x / n, conf.low = limits[1], conf.high = limits[2], n = n)
  hold_row(key, naming(row, c("model", "bin", "seed")), row, again)
}
check_roc <- function(table) for (model in unique(table$model)) for (seed in unique(table$seed)) {
  own <- table[table$model == model & table$seed == seed, ]; part <- slice_of_row(list(seed = seed)); key <- "roc.csv"
  if (!nrow(own)) next
  if (is.null(part) || part$folds) { leave(key, 2 * nrow(own)); next }
  s <- part$score[[model]]; t <- num(own$threshold); where <- paste("model", model, "threshold", own$threshold)
  for (i in seq_along(t)) {
    hold(key, where[i], "sensitivity", num(own$sensitivity[i]), if (any(part$y)) mean(s[part$y] >= t[i]) else NA)
    hold(key, where[i], "specificity", num(own$specificity[i]), if (any(!part$y)) mean(s[!part$y] < t[i]) else NA)
  }
}
# Net benefit (Vickers and Elkin 2006) with the Wald limits of a mean over cases, or over patients
mean_error <- function(terms, groups) {
  rest <- terms - mean(terms); if (!is.null(groups)) rest <- as.numeric(tapply(rest, groups, sum))
  units <- length(rest)
  if (units < 2) NA else sqrt(sum(rest^2) * units / (units - 1)) / length(terms)
}
check_decision_curve <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "decision_curve.csv"
  if (is.null(part)) { leave(key, 3); next }
  t <- num(row$threshold)
  if (row$model == "treat_none") again <- list(net_benefit = 0, conf.low = 0, conf.high = 0)
  else {
    s <- if (row$model == "treat_all") rep(1, part$n) else part$score[[row$model]]
    terms <- net_benefit_terms(part$y, s, t); half <- z_of(settings$conf.level) * mean_error(terms, part$groups)
    again <- list(net_benefit = mean(terms), conf.low = mean(terms) - half, conf.high = min(mean(terms) + half, 1))
  }
  hold_row(key, naming(row, c("model", "threshold", "seed")), row, again)
}
check_curve_differences <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "decision_curve_differences.csv"
  if (is.null(part)) { leave(key, numbers_in(row)); next }
  t <- num(row$threshold); a <- part$score[[row$model]]; b <- part$score[[row$comparator]]
  terms <- net_benefit_terms(part$y, a, t) - net_benefit_terms(part$y, b, t); differ <- any((a >= t) != (b >= t))
  se <- mean_error(terms, part$groups); known <- differ && isTRUE(se > 1e-12); half <- z_of(settings$conf.level) * se
  again <- list(estimate = mean(terms), conf.low = if (known) mean(terms) - half else NA, conf.high = if (known) mean(terms) + half else NA,
                std.error = if (differ) se else 0, p.value = if (known) 2 * pnorm(-abs(mean(terms) / se)) else if (differ) NA else 1)
  hold_row(key, naming(row, c("model", "comparator", "threshold")), row, again, 1e-7)
}
check_overlap <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "error_overlap.csv"
  if (is.null(part)) { leave(key, 8); next }
  t <- paired_cells(part, "accuracy", row$model, row$comparator); n <- t$n; p <- c(t$n11 + t$b, t$n11 + t$c) / n; pe <- prod(p) + prod(1 - p)
  again <- list(error.kappa = if (any(p %in% c(0, 1))) NA else ((t$n11 + t$n00) / n - pe) / (1 - pe), double.fault = t$n00 / n,
    either.fault = (n - t$n11) / n, both.right = t$n11, only.model.wrong = t$c, only.comparator.wrong = t$b, both.wrong = t$n00, n = n)
  for (column in names(again)) hold(key, naming(row, c("model", "comparator")), column, num(row[[column]]), again[[column]])
}
# Murphy (1973): over the distinct scores, or over ten bins with what lies within them
check_brier_parts <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "brier_decomposition.csv"
  if (is.null(part)) { leave(key, 5); next }
  y <- as.numeric(part$y); s <- part$score[[row$model]]; group <- if (row$grouping == "10 bins") bin_of(s) else match(s, unique(s))
  sm <- ave(s, group); om <- ave(y, group)
  again <- list(brier = mean((s - y)^2), reliability = mean((sm - om)^2), resolution = mean((om - mean(y))^2), uncertainty = mean(y) * (1 - mean(y)),
    within.bin = if (row$grouping == "10 bins") mean((s - sm)^2 - 2 * (s - sm) * (y - om)) else 0)
  for (column in names(again)) hold(key, naming(row, c("model", "grouping")), column, num(row[[column]]), again[[column]])
}
# Cox (1958): slope and intercept estimated together; Wald limits
check_line <- function(table) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(row); key <- "calibration_line.csv"
  if (is.null(part)) { leave(key, numbers_in(row)); next }
  again <- calibration_line(part$y, part$score[[row$model]], num(row$conf.level), c(intercept = 1, slope = 2)[[row$term]])
  for (column in names(again)) hold(key, naming(row, c("model", "term")), column, num(row[[column]]), again[[column]], 1e-5)
}
# Calls of readers against the truth, by Wilson
check_readers <- function(table, ratings) for (i in seq_len(NROW(table))) {
  row <- table[i, ]; part <- slice_of_row(list()); key <- "reader_performance.csv"
  column <- intersect(paste0("reader_", row$reader, c("", "_1")), names(ratings))
  if (is.null(part) || length(column) != 1 || row$method != "wilson") { leave(key, numbers_in(row)); next }
  call <- ratings[[column]][match(part$cases, ratings$case_id)]; seen <- given(call) & !is.na(call)
  f <- fraction_of(row$metric, confusion_of(part$y[seen], (call == settings$positive)[seen])); limits <- wilson(f[1], f[2], settings$conf.level)
  again <- list(estimate = if (f[2]) f[1] / f[2] else NA, conf.low = limits[1], conf.high = limits[2], numerator = f[1], denominator = f[2])
  hold_row(key, naming(row, c("reader", "metric")), row, again)
}
