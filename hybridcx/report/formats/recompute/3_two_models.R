# ---- Two models on the same cases --------------------------------------------------------------------------------------

# b and c: the cases that only the model, only the comparator got right (within the class for sensitivity and specificity).
paired_cells <- function(part, metric, model, comparator) {
  inside <- switch(metric, sensitivity = part$y, specificity = !part$y, rep(TRUE, part$n))
  a <- (part$called[[model]] == part$y)[inside]; b <- (part$called[[comparator]] == part$y)[inside]
  list(n11 = sum(a & b), b = sum(a & !b), c = sum(!a & b), n00 = sum(!a & !b), n = sum(inside), first = a, second = b,
       groups = part$groups[inside])
}

# McNemar (1947); exact and mid-p (Fagerland, Lydersen and Laake 2013); Edwards (1948) with continuity correction.
mcnemar <- function(t, form) {
  m <- t$b + t$c; k <- min(t$b, t$c)
  made <- list(estimate = if (t$n) (t$b - t$c) / t$n else NA, statistic = NA, parameter = NA, p.value = NA, b = t$b, c = t$c)
  if (t$n == 0) return(made)
  if (form %in% c("asymptotic", "corrected")) {
    made$parameter <- 1
    if (m > 0) made$statistic <- (if (form == "corrected") max(abs(t$b - t$c) - 1, 0) else abs(t$b - t$c))^2 / m
    made$p.value <- if (m > 0) pchisq(made$statistic, 1, lower.tail = FALSE) else 1
  } else if (m == 0) made$p.value <- 1
  else if (form == "exact") made$p.value <- min(1, 2 * pbinom(k, m, 0.5))
  else made$p.value <- if (t$b == t$c) 1 - dbinom(t$b, m, 0.5) / 2 else 2 * pbinom(k, m, 0.5) - dbinom(k, m, 0.5)
  made
}

# Tango (1998): the score statistic of a difference delta, and the interval of all delta that it does not reject.
tango_score <- function(b, c, n, delta) {
  if (delta < 0) return(-tango_score(c, b, n, -delta))
  half <- (2 * n - b + c) * delta - b - c; constant <- c * delta * (1 - delta); root <- sqrt(half^2 + 8 * n * constant)
  q <- if (half > 0) 2 * constant / (root + half) else (root - half) / (4 * n)
  (b - c - n * delta) / sqrt(n * (2 * q + delta * (1 - delta)))
}
tango_upper <- function(b, c, n, z) {
  if (b == n) return(1)
  if (c == n) return((z^2 - n) / (n + z^2))
  uniroot(function(d) tango_score(b, c, n, d) + z, c((b - c) / n, 1 - 1e-13), tol = 1e-15, maxiter = 10000)$root
}
tango_limits <- function(b, c, n, level) {
  z <- z_of(level)
  if (n == 0) return(c(NA, NA))
  if (b + c == 0) return(c(-1, 1) * z^2 / (n + z^2))
  c(-tango_upper(c, b, n, z), tango_upper(b, c, n, z))
}
tango <- function(t, level) {
  limits <- tango_limits(t$b, t$c, t$n, level); m <- t$b + t$c
  z <- if (m > 0) (t$b - t$c) / sqrt(m) else NA
  list(estimate = if (t$n) (t$b - t$c) / t$n else NA, conf.low = limits[1], conf.high = limits[2], statistic = z, parameter = NA,
       p.value = if (t$n == 0) NA else if (m == 0) 1 else 2 * pnorm(-abs(z)), b = t$b, c = t$c)
}
# One-sided p of a difference at or below `null` by Tango's score; the other side with the models swapped
tango_p <- function(b, c, n, null) {
  if (n == 0) return(NA)
  if (abs(null) >= 1) return(if (null < 0) 0 else 1)
  z <- tango_score(b, c, n, null)
  if (is.na(z)) 1 else pnorm(-z)
}
# Newcombe (1998), method 10: Wilson's limits of both, with the correlation of the table, continuity corrected
newcombe_paired <- function(t, level) {
  n <- t$n; made <- list(estimate = NA, conf.low = NA, conf.high = NA, p.value = NA, b = t$b, c = t$c)
  if (n == 0) return(made)
  p <- c(t$n11 + t$b, t$n11 + t$c) / n; u <- wilson(t$n11 + t$b, n, level); v <- wilson(t$n11 + t$c, n, level)
  margins <- as.numeric(t$n11 + t$b) * (t$c + t$n00) * (t$n11 + t$c) * (t$b + t$n00); a <- as.numeric(t$n11) * t$n00 - as.numeric(t$b) * t$c
  if (a > 0) a <- max(a - n / 2, 0)
  phi <- if (margins > 0) a / sqrt(margins) else 0
  reach <- function(x, y) sqrt(max(x^2 - 2 * phi * x * y + y^2, 0))
  made$estimate <- (t$b - t$c) / n
  made$conf.low <- max(made$estimate - reach(p[1] - u[1], v[2] - p[2]), -1)
  made$conf.high <- min(made$estimate + reach(u[2] - p[1], p[2] - v[1]), 1)
  made
}
# Agresti and Min (2005): Wald's interval after adding 1/2 to each cell
agresti_min <- function(t, level) {
  if (t$n == 0) return(list(estimate = NA, conf.low = NA, conf.high = NA, p.value = NA))
  size <- t$n + 2; centre <- (t$b - t$c) / size; se <- sqrt(t$b + t$c + 1 - (t$b - t$c)^2 / size) / size
  limits <- centre + c(-1, 1) * z_of(level) * se
  list(estimate = (t$b - t$c) / t$n, conf.low = max(limits[1], -1), conf.high = min(limits[2], 1), std.error = se, p.value = NA, b = t$b, c = t$c)
}
# Obuchowski (1998): McNemar's test with several cases a patient, and the differences that it does not reject
mcnemar_cluster <- function(t, level) {
  made <- list(estimate = NA, conf.low = NA, conf.high = NA, statistic = NA, parameter = NA, p.value = NA, std.error = NA, b = t$b, c = t$c)
  if (t$n == 0) return(made)
  g <- factor(t$groups); k <- nlevels(g); size <- as.numeric(table(g)); n <- t$n
  gap <- as.numeric(tapply((t$first & !t$second) - (!t$first & t$second), g, sum))
  made$estimate <- (t$b - t$c) / n
  if (k < 2) return(made)
  made$parameter <- 1
  if (all(gap == 0)) made$p.value <- 1
  else { made$statistic <- (k - 1) / k * (t$b - t$c)^2 / sum(gap^2); made$p.value <- pchisq(made$statistic, 1, lower.tail = FALSE) }
  rest <- n * gap - size * (t$b - t$c)
  if (any(rest != 0)) {
    made$std.error <- sqrt(k / (k - 1) * sum(rest^2)) / n^2
    c2 <- z_of(level)^2; f <- (k - 1) / k; a <- f * n^2 - c2 * sum(size^2); b <- f * n * sum(gap) - c2 * sum(gap * size)
    limits <- if (a <= 0) c(-1, 1) else (b + c(-1, 1) * sqrt(max(b^2 - a * (f * sum(gap)^2 - c2 * sum(gap^2)), 0))) / a
    made$conf.low <- max(limits[1], -1); made$conf.high <- min(limits[2], 1)
  }
  made
}
# Its one-sided p-values of the differences below and above `null`
cluster_above <- function(t) function(null) {
  g <- factor(t$groups); k <- nlevels(g); size <- as.numeric(table(g))
  u <- as.numeric(tapply((t$first & !t$second) - (!t$first & t$second), g, sum)) - size * null
  most <- sqrt((k - 1) / k * sum(size)^2 / sum(size^2)); z <- max(min(sqrt((k - 1) / k) * sum(u) / sqrt(sum(u^2)), most), -most)
  c(pnorm(-z), pnorm(z))
}

# DeLong (1988) of two areas on the same cases; with patients Obuchowski's (1997) covariance
# The effective number of patients (Kish 1965) of the class that has fewer, less 1
class_freedom <- function(y, groups) {
  kish <- function(g) { size <- as.numeric(table(g)); sum(size)^2 / sum(size^2) }
  max(min(kish(groups[y]), kish(groups[!y])) - 1, 1)
}
delong_cluster_cov <- function(y, a, b, groups) {
  gp <- groups[y]; gn <- groups[!y]; ip <- length(unique(gp)); im <- length(unique(gn)); total <- length(unique(groups)); m <- sum(y); n <- sum(!y)
  if (ip < 2 || im < 2) return(NA)
  sums <- function(v, g) as.numeric(tapply(v, factor(g, levels = unique(groups)), sum, default = 0))
  pa <- sums(a$v10 - a$auc, gp); pb <- sums(b$v10 - b$auc, gp); na <- sums(a$v01 - a$auc, gn); nb <- sums(b$v01 - b$auc, gn)
  ip / ((ip - 1) * m) * sum(pa * pb) / m + im / ((im - 1) * n) * sum(na * nb) / n + total / (total - 1) * (sum(pa * nb) + sum(pb * na)) / (m * n)
}
delong_cluster_one <- function(y, s, groups, level) {  # limits on the logit scale
  a <- placements(y, s); auc <- a$auc; made <- list(estimate = auc, conf.low = NA, conf.high = NA, std.error = NA)
  v <- if (is.na(auc)) NA else delong_cluster_cov(y, a, a, groups)
  if (is.na(v)) return(made)
  made$std.error <- sqrt(max(v, 0))
  if (made$std.error > 0 && auc > 0 && auc < 1) {
    half <- qt(1 - (1 - level) / 2, class_freedom(y, groups)) * made$std.error / (auc * (1 - auc)); made$conf.low <- plogis(qlogis(auc) - half); made$conf.high <- plogis(qlogis(auc) + half)
  }
  made
}
delong_two <- function(y, s1, s2, level, groups = NULL) {
  a <- placements(y, s1); b <- placements(y, s2); cov <- if (is.null(groups)) delong_cov else function(u, v) delong_cluster_cov(y, u, v, groups)
  made <- list(estimate = a$auc - b$auc, conf.low = NA, conf.high = NA, statistic = NA, parameter = NA, p.value = NA, std.error = NA)
  if (is.na(made$estimate)) return(made)
  parts <- c(cov(a, a), cov(b, b)); variance <- sum(parts) - 2 * cov(a, b)
  if (is.na(variance)) return(made)
  if (variance <= 1e-14 * sum(parts)) {
    made$conf.low <- made$conf.high <- made$estimate; made$std.error <- 0
    if (made$estimate == 0) made$p.value <- 1
    return(made)
  }
  made$std.error <- sqrt(variance); made$statistic <- made$estimate / made$std.error; made$p.value <- 2 * pnorm(-abs(made$statistic))
  quantile <- z_of(level)
  if (!is.null(groups)) {  # Student's t on the effective number of patients of the smaller class
    made$parameter <- class_freedom(y, groups)
    made$p.value <- 2 * pt(-abs(made$statistic), made$parameter); quantile <- qt(1 - (1 - level) / 2, made$parameter)
  }
  limits <- made$estimate + c(-1, 1) * quantile * made$std.error
  made$conf.low <- limits[1]; made$conf.high <- limits[2]
  made
}

# PPV and NPV: Leisenring, Alonzo and Pepe (2000), weighted Kosinski (2013)
score_test <- function(y, a, b, which, weighted, level) {
  if (which == "npv") { y <- !y; a <- !a; b <- !b }
  na <- sum(a); nb <- sum(b)
  made <- list(estimate = NA, conf.low = NA, conf.high = NA, statistic = NA, parameter = NA, p.value = NA, std.error = NA)
  if (na == 0 || nb == 0) return(made)
  va <- sum(a & y) / na; vb <- sum(b & y) / nb; pooled <- (sum(a & y) + sum(b & y)) / (na + nb); share <- nb / (na + nb)
  z <- ifelse(a, -share, 0) + ifelse(b, 1 - share, 0)  # each case's calls: Z less its mean
  d <- (y - pooled)
  top <- (sum(a & y) * nb - sum(b & y) * na) / (na * nb)
  variance <- if (weighted) sum((d^2)[xor(a, b)]) / (na + nb) * (1 / na + 1 / nb) else sum((d * z)^2) * (1 / na + 1 / nb)^2
  robust <- sum((ifelse(a, (y - va) / na, 0) - ifelse(b, (y - vb) / nb, 0))^2)
  if (variance < 1e-28) { made$estimate <- 0; made$p.value <- 1; return(made) }
  made$estimate <- top; made$statistic <- top^2 / variance; made$parameter <- 1; made$p.value <- pchisq(made$statistic, 1, lower.tail = FALSE)
  if (robust > 1e-28) {
    made$std.error <- sqrt(robust); limits <- top + c(-1, 1) * z_of(level) * made$std.error
    made$conf.low <- max(limits[1], -1); made$conf.high <- min(limits[2], 1)
  }
  made
}
# Likelihood ratios: Gu and Pepe (2009), the ratio of two with its sandwich variance
lr_regression <- function(y, a, b, which, level) {
  made <- list(estimate = NA, conf.low = NA, conf.high = NA, statistic = NA, parameter = NA, p.value = NA, std.error = NA)
  if (which == "lr_negative") { a <- !a; b <- !b }
  counts <- lapply(list(y, !y), function(k) c(sum(a & k), sum(b & k), sum(a & b & k)))
  if (any(vapply(counts, function(x) x[1] == 0 || x[2] == 0, TRUE))) return(made)
  variance <- sum(vapply(counts, function(x) (x[1] + x[2] - 2 * x[3]) / (x[1] * x[2]), 0))
  if (variance == 0) { made$estimate <- 1; made$p.value <- 1; return(made) }
  logs <- vapply(counts, function(x) log(x[1] / x[2]), 0); d <- logs[1] - logs[2]; se <- sqrt(variance); half <- z_of(level) * se
  list(estimate = exp(d), conf.low = exp(d - half), conf.high = exp(d + half), statistic = (d / se)^2, parameter = 1,
       p.value = pchisq((d / se)^2, 1, lower.tail = FALSE), std.error = se)
}

# The studentised permutation (Chung and Romano 2013) of a metric that depends on calls of both classes. Cells: positives, then negatives, that
# both, the model alone, the comparator alone, and neither got right. A swap gives the model binomial(m, 1/2) of the m discordant cases of a class.
STUDENTISED <- c("ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j", "net_benefit")
LARGEST_GRID <- 20000
cell_metric <- function(metric, tp, fn, fp, tn, odds) {
  p <- tp + fn; q <- fp + tn; n <- p + q; share <- p / n; called <- (tp + fp) / n
  switch(metric, ppv = tp / (tp + fp), npv = tn / (tn + fn), f1 = ifelse(Re(p) > 0, 2 * tp / (2 * tp + fp + fn), NA),
    balanced_accuracy = (tp / p + tn / q) / 2, youden_j = tp / p + tn / q - 1, net_benefit = (tp - odds * fp) / n,
    mcc = (tp / n - share * called) / sqrt(share * (1 - share)) / sqrt(called * (1 - called)))
}
cell_difference <- function(metric, x, odds)
  cell_metric(metric, x[, 1] + x[, 2], x[, 3] + x[, 4], x[, 7] + x[, 8], x[, 5] + x[, 6], odds) -
    cell_metric(metric, x[, 1] + x[, 3], x[, 2] + x[, 4], x[, 6] + x[, 8], x[, 5] + x[, 7], odds)
# The delta method on the cells with one case more in the discordant ones; derivatives by a complex step
cell_error <- function(metric, x, odds) {
  x[, c(2, 3, 6, 7)] <- x[, c(2, 3, 6, 7)] + 1; total <- 0
  for (k in 1:8) {
    y <- x + 0i; y[, k] <- y[, k] + 1e-30i
    total <- total + ifelse(x[, k] == 0, 0, x[, k] * (Im(cell_difference(metric, y, odds)) / 1e-30)^2)
  }
  sqrt(total)
}
studentised_laws <- new.env()
studentised <- function(part, metric, model, comparator, threshold) {
  if (metric == "net_benefit") { a <- part$score[[model]] >= threshold; b <- part$score[[comparator]] >= threshold }
  else { a <- part$called[[model]]; b <- part$called[[comparator]] }
  x <- matrix(as.numeric(table(factor(4 * (!part$y) + 2 * (a != part$y) + (b != part$y), 0:7))), 1)
  key <- paste(c(metric, x, threshold), collapse = " ")
  if (!is.null(studentised_laws[[key]])) return(studentised_laws[[key]])
  odds <- threshold / (1 - threshold); d <- cell_difference(metric, x, odds); m1 <- x[2] + x[3]; m0 <- x[6] + x[7]
  law <- list(estimate = if (is.finite(d)) d else NA, std.error = NA, all = (m1 + 1) * (m0 + 1) <= LARGEST_GRID, sizes = numeric(0), tails = numeric(0))
  if (is.finite(d)) law$std.error <- cell_error(metric, x, odds)
  if (is.finite(d) && law$all) {
    s <- expand.grid(i = 0:m1, j = 0:m0); weight <- dbinom(s$i, m1, 0.5) * dbinom(s$j, m0, 0.5)
    z <- x[rep(1, nrow(s)), , drop = FALSE]; z[, 2] <- s$i; z[, 3] <- m1 - s$i; z[, 6] <- s$j; z[, 7] <- m0 - s$j
    size <- abs(cell_difference(metric, z, odds)) / cell_error(metric, z, odds); size[is.na(size)] <- Inf; at <- order(-size)
    law$sizes <- size[at]; law$tails <- cumsum(weight[at])[findInterval(-law$sizes * (1 - 1e-9), -law$sizes)]
  }
  studentised_laws[[key]] <- law
  law
}
studentised_p <- function(law, null = 0) {
  if (is.na(law$estimate)) return(NA)
  size <- abs(law$estimate - null) / law$std.error; k <- findInterval(-size * (1 - 1e-9), -law$sizes)
  min(1, max(if (k) law$tails[k] else 0, 2 * pnorm(-size)))
}
studentised_row <- function(law, metric, level) {
  made <- list(estimate = law$estimate, conf.low = NA, conf.high = NA, p.value = NA, std.error = law$std.error)
  if (is.na(law$estimate)) return(made)
  if (!law$all) return(made[c("estimate", "std.error")])
  reach <- max(z_of(level), law$sizes[law$tails > 1 - level + 1e-12]) * law$std.error
  bound <- switch(metric, mcc = , youden_j = 2, net_benefit = Inf, 1)
  made$conf.low <- max(law$estimate - reach, -bound); made$conf.high <- min(law$estimate + reach, bound); made$p.value <- studentised_p(law)
  made
}
# The mean difference of a loss and its standard error; its p and limits are drawn
mean_loss_difference <- function(part, metric, model, comparator) {
  d <- loss_terms(metric, part$y, part$score[[model]]) - loss_terms(metric, part$y, part$score[[comparator]]); n <- length(d)
  if (n < 2) return(list(estimate = NA))
  if (max(d) - min(d) <= 1e-12 * max(1, abs(d))) list(estimate = mean(d)) else list(estimate = mean(d), std.error = sd(d) / sqrt(n))
}
permutation <- function(part, metric, model, comparator, threshold, level) {
  if (metric %in% c("brier", "log_loss")) mean_loss_difference(part, metric, model, comparator)
  else if (metric %in% STUDENTISED) studentised_row(studentised(part, metric, model, comparator, threshold), metric, level)
}

# The interval that decides a verdict, and its one-sided p-values: Tango's for correct answers, the permutation's for other metrics of calls,
# DeLong's for areas (with patients the forms for them, and none for the other metrics).
CORRECT <- c("accuracy", "sensitivity", "specificity")
inverted <- function(part, metric, model, comparator, level, threshold = NA) {
  if (part$folds) return(NULL)
  if (metric %in% STUDENTISED && !part$clustered && !is.null(if (metric == "net_benefit") part$score else part$called)) {
    law <- studentised(part, metric, model, comparator, threshold)
    if (!law$all) return(NULL)
    return(list(row = studentised_row(law, metric, level), above = function(null) {
      half <- studentised_p(law, null) / 2
      if (isTRUE(law$estimate < null)) c(1 - half, half) else c(half, 1 - half)
    }))
  }
  if (metric %in% CORRECT && !is.null(part$called)) {
    t <- paired_cells(part, metric, model, comparator)
    if (part$clustered) { r <- mcnemar_cluster(t, level); return(list(row = r, above = cluster_above(t))) }
    r <- tango(t, level)
    return(list(row = r, above = function(null) c(tango_p(t$b, t$c, t$n, null), tango_p(t$c, t$b, t$n, -null))))
  }
  if (metric == "auroc" && !is.null(part$score)) {
    r <- delong_two(part$y, part$score[[model]], part$score[[comparator]], level, if (part$clustered) part$groups)
    return(list(row = r, above = normal_above(r)))
  }
  NULL
}
normal_above <- function(r) function(null) {
  z <- (r$estimate - null) / r$std.error
  if (is.na(r$parameter)) c(pnorm(-z), pnorm(z)) else c(pt(-z, r$parameter), pt(z, r$parameter))
}
margin_test <- function(part, method, metric, model, comparator, margin, level, threshold) {
  found <- inverted(part, metric, model, comparator, level, threshold)
  if (is.null(found)) return(NULL)
  r <- found$row; p <- NA
  if (!is.na(r$conf.low) && r$conf.low != r$conf.high)
    p <- if (method == "non_inferiority") found$above(-margin)[1] else max(found$above(-margin)[1], found$above(margin)[2])
  c(r[c("estimate", "conf.low", "conf.high")], list(p.value = p), if (metric %in% CORRECT) r[c("b", "c")])
}

compare_two <- function(row, part, metric, level) {
  a <- row$model; b <- row$comparator; method <- row$method; y <- part$y
  if (metric %in% CORRECT && !is.null(part$called)) t <- paired_cells(part, metric, a, b)
  switch(method,
    mcnemar_exact = mcnemar(t, "exact"), mcnemar_midp = mcnemar(t, "midp"), mcnemar_asymptotic = mcnemar(t, "asymptotic"),
    mcnemar_corrected = mcnemar(t, "corrected"), tango = tango(t, level), newcombe_paired = newcombe_paired(t, level),
    agresti_min = agresti_min(t, level), mcnemar_cluster = mcnemar_cluster(t, level),
    delong_paired = delong_two(y, part$score[[a]], part$score[[b]], level),
    delong_cluster = delong_two(y, part$score[[a]], part$score[[b]], level, part$groups),
    generalized_score = score_test(y, part$called[[a]], part$called[[b]], metric, FALSE, level),
    weighted_generalized_score = score_test(y, part$called[[a]], part$called[[b]], metric, TRUE, level),
    lr_regression = lr_regression(y, part$called[[a]], part$called[[b]], metric, level),
    permutation_paired = permutation(part, metric, a, b, num(row$threshold), level),
    tost = , non_inferiority = margin_test(part, method, metric, a, b, num(row$margin), level, num(row$threshold)), NULL)
}

FAMILY <- c("metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence")
check_comparisons <- function(table) {
  if (is.null(table)) return(invisible())
  family <- do.call(paste, c(table[FAMILY], sep = "\r")); p <- num(table$p.value); holm <- rep(NA_real_, nrow(table))
  for (f in unique(family)) { rows <- which(family == f & !is.na(p)); holm[rows] <- p.adjust(p[rows], "holm") }
  for (i in seq_len(nrow(table))) {
    row <- table[i, ]; metric <- row$metric; method <- row$method; key <- paste("comparisons.csv", method); part <- slice_of_row(row)
    where <- naming(row, c("metric", "model", "comparator", "method", "subgroup", "level", "seed", "label.rule", "threshold"))
    hold("comparisons.csv adj.p.value (Holm)", where, "adj.p.value", num(row$adj.p.value), holm[i])
    pooled <- !is.null(part) && part$folds && (metric %in% c("auroc", "auprc") || method %in% c("tost", "non_inferiority"))
    if (is.null(part) || pooled || !all(c(row$model, row$comparator) %in% part$models)) { leave(key, numbers_in(row)); next }
    level <- num(row$conf.level); if (is.na(level)) level <- settings$conf.level
    hold(key, where, "n", num(row$n), part$n)
    again <- compare_two(row, part, metric, level)
    if (!is.null(again)) {
      if (method %in% c("tost", "non_inferiority") && is.na(num(row$p.value)) != is.na(again$p.value)) again$p.value <- NULL
      hold_row(key, where, row, again, if (method %in% c("tango", "tost", "non_inferiority")) 1e-7 else 1e-9)
      next
    }
    check_resampled(row, part, metric, key, where)
  }
}
# Of resampled rows the estimate and the discordant cases; a permutation p of paired proportions against the binomial that it estimates
check_resampled <- function(row, part, metric, key, where) {
  done <- 0
  if (metric %in% CORRECT && !is.null(part$called) && grepl("^(bootstrap|permutation)", row$method)) {
    t <- paired_cells(part, metric, row$model, row$comparator)
    hold(key, where, "b", num(row$b), t$b); hold(key, where, "c", num(row$c), t$c)
    if (row$method == "permutation_paired" && t$n > 0) {
      exact <- mcnemar(t, "exact")$p.value; draws <- num(row$n.resamples)
      if (is.na(draws)) hold(key, where, "p.value", num(row$p.value), exact)
      else hold_within(key, where, "p.value", num(row$p.value), exact, 4 * sqrt(exact * (1 - exact) / draws) + 2 / draws)
      done <- 1
    }
  }
  if (grepl("^(bootstrap|permutation|tost|non_inferiority)", row$method)) {
    a <- metric_of(metric, part, row$model, num(row$threshold)); b <- metric_of(metric, part, row$comparator, num(row$threshold))
    if (!is.null(a) && !is.null(b)) {
      both <- if (metric %in% c("lr_positive", "lr_negative")) a / b else a - b
      if (is.nan(both)) both <- NA
      if (is.finite(both) && !is.na(num(row$estimate))) {
        hold_within(key, where, "estimate", num(row$estimate), both, tolerance_of(metric) * max(Filter(is.finite, abs(c(a, b, both)))) + 1e-12)
        done <- done + 1
      }
    }
  }
  leave(key, numbers_in(row) - done)
}
