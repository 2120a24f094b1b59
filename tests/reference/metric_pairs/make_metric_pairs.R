# usage: Rscript make_metric_pairs.R OUTDIR          (base R alone)
# A second implementation, from the formulas and by other routes than hybridcx takes: Wilson's limits of prop.test; MOVER limits of a ratio as roots
# of the MOVER limits of p1 - R p2; correlations by cor(); standard errors by complex-step derivatives of the metric with respect to the cells;
# every swap listed. Writes tables.csv (two models' calls), paired_expected.csv, one_model.csv, one_model_expected.csv, scores.csv,
# auprc_expected.csv, losses.csv (the non-zero differences), mean_expected.csv.
out <- commandArgs(TRUE)[1]; dir.create(out, showWarnings = FALSE, recursive = TRUE)
save <- function(x, file) write.csv(format(x, digits = 16, scientific = TRUE, trim = TRUE), file.path(out, file), row.names = FALSE, quote = FALSE)
save_counts <- function(x, file) write.csv(x, file.path(out, file), row.names = FALSE, quote = FALSE)
LEVELS <- c(0.95, 0.9)
z_of <- function(level) qnorm(1 - (1 - level) / 2)

# ---- Two models: cells 1-4 positives, 5-8 negatives, that both, the model alone, the comparator alone, and neither got right -------------------
tables <- rbind(
  paired1 = c(319, 78, 22, 32, 155, 22, 53, 31), usual = c(60, 9, 4, 7, 90, 6, 11, 4), small = c(14, 3, 1, 3, 20, 2, 4, 2),
  three_positives = c(20, 3, 0, 1, 23, 0, 0, 2), three_negatives = c(20, 0, 0, 2, 22, 3, 0, 2), two_and_one = c(20, 2, 0, 2, 22, 1, 0, 2),
  one_case = c(10, 0, 1, 0, 12, 0, 0, 0), no_discordant = c(18, 0, 0, 4, 25, 0, 0, 3), perfect_model = c(12, 5, 0, 0, 30, 7, 0, 0),
  model_calls_none = c(0, 0, 6, 4, 30, 5, 0, 0), few_calls = c(0, 1, 2, 9, 40, 1, 1, 0), no_positives = c(0, 0, 0, 0, 15, 4, 2, 3),
  rare = c(5, 2, 1, 0, 900, 30, 18, 25), all_errors = c(0, 4, 3, 0, 0, 5, 2, 0), many = c(200, 60, 50, 20, 300, 80, 45, 40))
METRICS <- c("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j", "net_benefit")
odds <- 0.2 / 0.8

# The metric of the model and of the comparator for a matrix of cells (one table a row); complex cells are allowed.
value <- function(metric, tp, fn, fp, tn) {
  p <- tp + fn; q <- fp + tn; n <- p + q; share <- p / n; called <- (tp + fp) / n
  switch(metric, accuracy = 1 - (fn + fp) / n, sensitivity = 1 - fn / p, specificity = 1 - fp / q, ppv = 1 - fp / (tp + fp), npv = 1 - fn / (tn + fn),
    f1 = ifelse(Re(p) > 0, 1 / (1 + (fp + fn) / (2 * tp)), NA), balanced_accuracy = 1 - (fn / p + fp / q) / 2, youden_j = tp / p - fp / q,
    mcc = (tp / n - share * called) / sqrt(share * (1 - share)) / sqrt(called * (1 - called)), net_benefit = tp / n - odds * fp / n)
}
difference <- function(metric, x) {
  d <- value(metric, x[, 1] + x[, 2], x[, 3] + x[, 4], x[, 7] + x[, 8], x[, 5] + x[, 6]) -
       value(metric, x[, 1] + x[, 3], x[, 2] + x[, 4], x[, 6] + x[, 8], x[, 5] + x[, 7])
  if (is.complex(x)) d else ifelse(is.finite(d), d, NA)
}
# F1 at TP = 0 is 0, which 1 / (1 + Inf) gives for real counts; its derivative there is taken from the usual form.
derivative_value <- function(metric, tp, fn, fp, tn) if (metric == "f1") 2 * tp / (2 * tp + fp + fn) else value(metric, tp, fn, fp, tn)
standard_error <- function(metric, x) {
  x[, c(2, 3, 6, 7)] <- x[, c(2, 3, 6, 7)] + 1; step <- 1e-30; total <- 0
  for (k in 1:8) {
    y <- x + 0i; y[, k] <- y[, k] + complex(imaginary = step)
    d <- derivative_value(metric, y[, 1] + y[, 2], y[, 3] + y[, 4], y[, 7] + y[, 8], y[, 5] + y[, 6]) -
         derivative_value(metric, y[, 1] + y[, 3], y[, 2] + y[, 4], y[, 6] + y[, 8], y[, 5] + y[, 7])
    slope <- Im(d) / step
    total <- total + ifelse(x[, k] == 0, 0, x[, k] * slope^2)
  }
  sqrt(total)
}
rows <- list()
for (case in rownames(tables)) for (metric in METRICS) {
  t <- tables[case, , drop = FALSE]; d <- difference(metric, t); found <- list(case = case, metric = metric, estimate = d, std_error = NA, p = NA)
  limits <- rep(NA_real_, 4)
  if (!is.na(d)) {
    m1 <- t[2] + t[3]; m0 <- t[6] + t[7]; s <- expand.grid(i = 0:m1, j = 0:m0); weight <- choose(m1, s$i) / 2^m1 * choose(m0, s$j) / 2^m0
    x <- t[rep(1, nrow(s)), , drop = FALSE]; x[, 2] <- s$i; x[, 3] <- m1 - s$i; x[, 6] <- s$j; x[, 7] <- m0 - s$j
    size <- abs(difference(metric, x)) / standard_error(metric, x); size[is.na(size)] <- Inf
    se <- standard_error(metric, t); own <- abs(d) / se
    found$std_error <- se
    found$p <- if (abs(d) < 1e-14) 1 else max(sum(weight[size >= own * (1 - 1e-9)]), 2 * pnorm(-own))
    order_of <- order(-size); ordered <- size[order_of]; reached <- cumsum(weight[order_of])
    # the tail of a size counts all that equal it within rounding
    last <- findInterval(-ordered * (1 - 1e-9), -ordered)
    tail <- reached[last]
    for (k in 1:2) {
      inside <- ordered[tail > 1 - LEVELS[k] + 1e-12]
      reach <- max(z_of(LEVELS[k]), if (length(inside)) inside[1] else 0) * se
      limits[2 * k - 1:0] <- c(d - reach, d + reach)
    }
  }
  rows[[length(rows) + 1]] <- data.frame(case = case, metric = metric, estimate = d, std_error = found$std_error, p_value = found$p,
    low95 = limits[1], high95 = limits[2], low90 = limits[3], high90 = limits[4])
}
colnames(tables) <- c(paste0("positive_", c("both", "model", "comparator", "neither")), paste0("negative_", c("both", "model", "comparator", "neither")))
save_counts(data.frame(case = rownames(tables), tables), "tables.csv")
save(do.call(rbind, rows), "paired_expected.csv")

# ---- One model -----------------------------------------------------------------------------------------------------------------------------
matrices <- rbind(usual = c(40, 10, 15, 135), small = c(9, 2, 3, 11), perfect = c(12, 0, 0, 30), none_right = c(0, 6, 5, 0), no_false_alarm = c(7, 3, 0, 20),
  no_miss = c(10, 0, 4, 16), never_called = c(0, 8, 0, 22), always_called = c(8, 0, 22, 0), no_hit = c(0, 5, 3, 12), one_each = c(1, 1, 1, 1),
  rare = c(6, 2, 40, 950), no_positives = c(0, 0, 3, 9), no_negatives = c(7, 3, 0, 0), large = c(397, 54, 84, 177))
colnames(matrices) <- c("tp", "fn", "fp", "tn")
save_counts(data.frame(case = rownames(matrices), matrices), "one_model.csv")
wilson <- function(x, n, level) suppressWarnings(prop.test(x, n, correct = FALSE, conf.level = level))$conf.int
root <- function(f) exp(uniroot(f, c(-30, 30), tol = 1e-15, maxiter = 10000)$root)
# MOVER for a ratio p1 / p2: the R at which the MOVER limit of p1 - R p2 is 0 (Donner and Zou 2012)
ratio_limits <- function(x1, n1, x2, n2, level) {
  p1 <- x1 / n1; p2 <- x2 / n2; a <- wilson(x1, n1, level); b <- wilson(x2, n2, level)
  low <- function(t) { R <- exp(t); p1 - R * p2 - sqrt((p1 - a[1])^2 + R^2 * (b[2] - p2)^2) }
  high <- function(t) { R <- exp(t); p1 - R * p2 + sqrt((a[2] - p1)^2 + R^2 * (p2 - b[1])^2) }
  c(if (x1 == 0) 0 else root(low), if (x2 == 0) Inf else root(high))
}
rows <- list()
add <- function(case, metric, level, estimate, limits)
  rows[[length(rows) + 1]] <<- data.frame(case = case, metric = metric, level = level, estimate = estimate, conf_low = limits[1], conf_high = limits[2])
for (case in rownames(matrices)) for (level in LEVELS) {
  m <- as.list(matrices[case, ]); p <- m$tp + m$fn; q <- m$fp + m$tn; n <- p + q
  if (p > 0) { j <- c(m$tp / (m$tp + m$fp + m$fn), wilson(m$tp, m$tp + m$fp + m$fn, level)); f <- 2 - 2 / (1 + j); add(case, "f1", level, f[1], f[2:3]) }
  if (p > 0 && q > 0) {
    if (m$tp + m$fp > 0) add(case, "lr_positive", level, (m$tp / p) / (m$fp / q), ratio_limits(m$tp, p, m$fp, q, level))
    if (m$tn + m$fn > 0) add(case, "lr_negative", level, (m$fn / p) / (m$tn / q), ratio_limits(m$fn, p, m$tn, q, level))
    a <- c(m$tp / p, wilson(m$tp, p, level)); b <- c(m$tn / q, wilson(m$tn, q, level)); l <- qlogis(a); k <- qlogis(b); centre <- l[1] + k[1]
    if (!is.na(centre)) {
      limits <- if (centre == Inf) c(l[2] + k[2], Inf) else if (centre == -Inf) c(-Inf, l[3] + k[3]) else
        c(centre - sqrt((l[1] - l[2])^2 + (k[1] - k[2])^2), centre + sqrt((l[3] - l[1])^2 + (k[3] - k[1])^2))
      add(case, "diagnostic_odds_ratio", level, exp(centre), exp(limits))
    }
  }
  for (t in c(0.1, 0.5)) {
    w <- t / (1 - t); a <- c(m$tp / n, wilson(m$tp, n, level)); b <- c(m$fp / n, wilson(m$fp, n, level))
    hit <- rep(c(1, 0, 0, 0), unlist(m)); alarm <- rep(c(0, 0, 1, 0), unlist(m)); r <- suppressWarnings(cor(hit, alarm)); if (is.na(r)) r <- 0
    reach <- function(u, v) sqrt(u^2 - 2 * r * u * v + v^2)
    nb <- a[1] - w * b[1]
    add(case, paste0("net_benefit;", t), level, nb, c(nb - reach(a[1] - a[2], w * (b[3] - b[1])), nb + reach(a[3] - a[1], w * (b[1] - b[2]))))
  }
}
save(do.call(rbind, rows), "one_model_expected.csv")

# ---- Area under the precision-recall curve: step by step over the thresholds; logit limits (Boyd, Eng and Page 2013) ----------------------------
set.seed(20262); data <- NULL; rows <- list()
for (set in c("continuous", "ties", "rare")) {
  n <- c(continuous = 60, ties = 49, rare = 300)[[set]]; y <- as.integer(runif(n) < c(continuous = 0.4, ties = 0.5, rare = 0.05)[[set]])
  s <- round(plogis(rnorm(n) + 1.2 * y), if (set == "ties") 1 else 6); data <- rbind(data, data.frame(set = set, y = y, score = s))
  area <- 0; before <- 0
  for (t in sort(unique(s), decreasing = TRUE)) { recall <- mean(s[y == 1] >= t); area <- area + (recall - before) * mean(y[s >= t]); before <- recall }
  for (level in LEVELS) {
    half <- z_of(level) / sqrt(sum(y) * area * (1 - area)); limits <- plogis(qlogis(area) + c(-half, half))
    rows[[length(rows) + 1]] <- data.frame(set = set, level = level, estimate = area, conf_low = limits[1], conf_high = limits[2])
  }
}
save_counts(data, "scores.csv"); save(do.call(rbind, rows), "auprc_expected.csv")

# ---- Mean of paired differences of 2,100 cases, up to 12 of them not 0: all signs, each with its own t; no bootstrap-t above 2,000 cases ---------
n <- 2100; losses <- list(three = c(0.4, 0.1, 0.2), one_sign = c(0.02, 0.3, 0.11, 0.07, 0.5, 0.09, 0.21, 0.6), mixed = c(-0.3, 0.25, 0.1, -0.05, 0.45, 0.15, 0.08, 0.33, -0.02, 0.2),
  twelve = c(0.9, 0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.21, 0.34, 0.55, 0.6, 0.7), equal = rep(c(0.5, -0.5), c(9, 1)))
rows <- list()
t_of <- function(d) { total <- c(d, rep(0, n - length(d))); abs(mean(total)) / (sd(total) / sqrt(n)) }
for (case in names(losses)) {
  d <- losses[[case]]; signs <- as.matrix(expand.grid(rep(list(c(-1, 1)), length(d)))); sizes <- apply(signs, 1, function(s) t_of(s * d)); own <- t_of(d)
  total <- c(d, rep(0, n - length(d))); se <- sd(total) / sqrt(n); p <- max(mean(sizes >= own * (1 - 1e-9)), 2 * pt(-own, n - 1)); limits <- c()
  for (level in LEVELS) {
    tails <- vapply(sizes, function(s) mean(sizes >= s * (1 - 1e-9)), 0)
    reach <- max(qt(1 - (1 - level) / 2, n - 1), sizes[tails > 1 - level + 1e-12]) * se; limits <- c(limits, mean(total) - reach, mean(total) + reach)
  }
  rows[[length(rows) + 1]] <- data.frame(case = case, estimate = mean(total), std_error = se, p_value = p, low95 = limits[1], high95 = limits[2],
                                         low90 = limits[3], high90 = limits[4])
}
# The mean of 2,100 losses (i x 0.61803 mod 1)^4, limits on the log scale
v <- ((seq_len(n) * 0.61803) %% 1)^4; se <- sd(v) / sqrt(n); limits <- c()
for (level in LEVELS) limits <- c(limits, exp(log(mean(v)) + c(-1, 1) * qt(1 - (1 - level) / 2, n - 1) * se / mean(v)))
rows[[length(rows) + 1]] <- data.frame(case = "mean_loss", estimate = mean(v), std_error = se, p_value = NA, low95 = limits[1], high95 = limits[2],
                                       low90 = limits[3], high90 = limits[4])
save(do.call(rbind, rows), "mean_expected.csv")
save_counts(do.call(rbind, lapply(names(losses), function(k) data.frame(case = k, difference = losses[[k]]))), "losses.csv")
