# ---- One model: metrics of the confusion matrix and their intervals --------------------------------------------------

confusion_of <- function(y, called) list(tp = sum(y & called), fn = sum(y & !called), fp = sum(!y & called), tn = sum(!y & !called))

ratio <- function(a, b) if (b == 0) (if (a == 0) NA_real_ else Inf) else a / b

# 0/0 is NA, x/0 is Inf for the likelihood ratios and the odds ratio; nothing is added to empty cells.
count_metric <- function(metric, m) {
  with(m, {
    p <- tp + fn; n <- fp + tn; both <- p > 0 && n > 0
    switch(metric,
      accuracy = ratio(tp + tn, p + n), sensitivity = if (p) tp / p else NA, specificity = if (n) tn / n else NA,
      ppv = if (tp + fp) tp / (tp + fp) else NA, npv = if (tn + fn) tn / (tn + fn) else NA,
      f1 = if (p) 2 * tp / (2 * tp + fp + fn) else NA,
      balanced_accuracy = if (both) (tp / p + tn / n) / 2 else NA, youden_j = if (both) tp / p + tn / n - 1 else NA,
      mcc = { d <- sqrt(p * n) * sqrt((tp + fp) * (tn + fn)); if (d > 0) (tp * tn - fp * fn) / d else NA },
      lr_positive = if (both) ratio(tp * n, fp * p) else NA, lr_negative = if (both) ratio(fn * n, tn * p) else NA,
      diagnostic_odds_ratio = if (both) ratio(tp * tn, fp * fn) else NA, NULL)
  })
}
fraction_of <- function(metric, m) with(m, switch(metric,
  accuracy = c(tp + tn, tp + fn + fp + tn), sensitivity = c(tp, tp + fn), specificity = c(tn, tn + fp),
  ppv = c(tp, tp + fp), npv = c(tn, tn + fn), NULL))

z_of <- function(level) qnorm(1 - (1 - level) / 2)

# Wilson (1927)
wilson <- function(x, n, level) {
  if (n == 0) return(c(NA, NA))
  z <- z_of(level); half <- z * sqrt(x * (n - x) / n + z^2 / 4)
  limits <- (x + z^2 / 2 + c(-half, half)) / (n + z^2)
  c(if (x == 0) 0 else max(limits[1], 0), if (x == n) 1 else min(limits[2], 1))
}
# The same for patients with several cases: the effective sample size (Rao and Scott 1992) and Student's t
patient_counts <- function(hits, groups) {
  sizes <- as.numeric(tapply(hits, groups, length)); k <- length(sizes); n <- sum(sizes)
  list(x = as.numeric(tapply(hits, groups, sum)), sizes = sizes, k = k, n = n, p = sum(hits) / n, mean.size = sum(sizes^2) / n)
}
wilson_cluster <- function(hits, groups, level) {
  if (!length(hits)) return(c(NA, NA))
  u <- patient_counts(hits, groups)
  if (u$k < 2) return(c(NA, NA))
  ratio <- sum((u$x - u$sizes * u$p)^2) * u$k / (u$k - 1) / u$n / (u$p * (1 - u$p))
  observed <- if (u$p %in% c(0, 1)) u$mean.size else max(ratio, 1)
  w <- 1 / (1 + min(sum(hits), sum(!hits)))
  effect <- max(observed, w * u$mean.size + (1 - w) * observed)
  rho <- if (u$mean.size > 1) min((observed - 1) / (u$mean.size - 1), 1) else 0
  s <- u$sizes + u$sizes * (u$sizes - 1) * rho
  z <- qt(1 - (1 - level) / 2, max(sum(s)^2 / sum(s^2) - 1, 1)); size <- u$n / effect
  half <- z * sqrt(size * u$p * (1 - u$p) + z^2 / 4); limits <- (size * u$p + z^2 / 2 + c(-half, half)) / (size + z^2)
  c(if (u$p == 0) 0 else limits[1], if (u$p == 1) 1 else limits[2])
}
hits_of <- function(metric, y, called) {
  chosen <- switch(metric, accuracy = rep(TRUE, length(y)), sensitivity = y, specificity = !y, ppv = called, npv = !called)
  list(hits = (called == y)[chosen], chosen = chosen)
}
proportion_cluster <- function(metric, y, called, groups, level) {
  h <- hits_of(metric, y, called); n <- length(h$hits); x <- sum(h$hits); limits <- wilson_cluster(h$hits, groups[h$chosen], level)
  list(estimate = if (n) x / n else NA, conf.low = limits[1], conf.high = limits[2], numerator = x, denominator = n)
}
# Clopper and Pearson (1934); Jeffreys' interval with 0 and 1 at the ends (Brown, Cai and DasGupta 2001)
beta_interval <- function(x, n, level, add) {
  tail <- (1 - level) / 2; a <- if (add) c(0.5, 0.5, 0.5, 0.5) else c(0, 1, 1, 0)
  c(if (x > 0) qbeta(tail, x + a[1], n - x + a[2]) else 0, if (x < n) qbeta(1 - tail, x + a[3], n - x + a[4]) else 1)
}
# Agresti and Coull (1998)
agresti_coull <- function(x, n, level) {
  z <- z_of(level); size <- n + z^2; centre <- (x + z^2 / 2) / size; half <- z * sqrt(centre * (1 - centre) / size)
  c(max(centre - half, 0), min(centre + half, 1))
}
proportion <- function(metric, m, method, level) {
  f <- fraction_of(metric, m); x <- f[1]; n <- f[2]
  limits <- if (n == 0) c(NA, NA) else switch(method, wilson = wilson(x, n, level), clopper_pearson = beta_interval(x, n, level, FALSE),
    jeffreys = beta_interval(x, n, level, TRUE), agresti_coull = agresti_coull(x, n, level))
  list(estimate = if (n) x / n else NA, conf.low = limits[1], conf.high = limits[2], numerator = x, denominator = n)
}
# MOVER (Zou and Donner 2008) on Wilson's limits of sensitivity and specificity
mover_wilson <- function(metric, m, level) {
  p <- m$tp + m$fn; n <- m$fp + m$tn
  if (p == 0 || n == 0) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  se <- m$tp / p; sp <- m$tn / n; a <- wilson(m$tp, p, level); b <- wilson(m$tn, n, level)
  sums <- c(se + sp, max(se + sp - sqrt((se - a[1])^2 + (sp - b[1])^2), 0), min(se + sp + sqrt((a[2] - se)^2 + (b[2] - sp)^2), 2))
  made <- if (metric == "balanced_accuracy") sums / 2 else sums - 1
  list(estimate = made[1], conf.low = made[2], conf.high = made[3])
}
mover_cluster <- function(metric, y, called, groups, level) {
  if (!any(y) || all(y)) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  right <- called == y; p <- c(mean(right[y]), mean(right[!y])); rest <- ifelse(y, right - p[1], right - p[2])
  e <- tapply(ifelse(y, rest, 0), groups, sum); f <- tapply(ifelse(y, 0, rest), groups, sum)
  scale <- sqrt(sum(e^2) * sum(f^2)); r <- if (scale > 0) min(max(sum(e * f) / scale, 0), 1) else 0
  a <- wilson_cluster(right[y], groups[y], level); b <- wilson_cluster(right[!y], groups[!y], level)
  far <- function(u, v) sqrt(u^2 + v^2 + 2 * r * u * v)
  sums <- c(sum(p), max(sum(p) - far(p[1] - a[1], p[2] - b[1]), 0), min(sum(p) + far(a[2] - p[1], b[2] - p[2]), 2))
  made <- if (metric == "balanced_accuracy") sums / 2 else sums - 1
  list(estimate = made[1], conf.low = made[2], conf.high = made[3])
}
# F1 = 2 J / (1 + J) with Wilson's limits of Jaccard's index J
f1_wilson <- function(m, level) {
  n <- m$tp + m$fp + m$fn
  if (m$tp + m$fn == 0) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  f <- 2 - 2 / (1 + c(m$tp / n, wilson(m$tp, n, level)))
  list(estimate = f[1], conf.low = f[2], conf.high = f[3], numerator = m$tp, denominator = n)
}
# MOVER for a ratio (Donner and Zou 2012): the roots R of the MOVER limits of p1 - R p2
ratio_mover <- function(metric, m, level) {
  p <- m$tp + m$fn; q <- m$fp + m$tn; estimate <- count_metric(metric, m)
  if (is.na(estimate)) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  x <- if (metric == "lr_positive") c(m$tp, m$fp) else c(m$fn, m$tn); share <- x / c(p, q); one <- wilson(x[1], p, level); two <- wilson(x[2], q, level)
  # (p1 - R p2)^2 = d1^2 + R^2 d2^2 with the distances to the limits: a quadratic in R
  root <- function(d1, d2, sign) {
    a <- share[2]^2 - d2^2; b <- share[1] * share[2]; c <- share[1]^2 - d1^2; half <- sqrt(max(b^2 - a * c, 0))
    if (sign < 0) (if (b + half > 0) c / (b + half) else 0) else (b + half) / a
  }
  list(estimate = estimate, conf.low = if (x[1] == 0) 0 else if (x[2] == 0) sqrt(one[1] * (2 * share[1] - one[1])) / two[2] else root(share[1] - one[1], two[2] - share[2], -1),
       conf.high = if (x[2] == 0) Inf else root(one[2] - share[1], share[2] - two[1], 1))
}
# MOVER for the sum of two logits
odds_ratio_mover <- function(m, level) {
  p <- m$tp + m$fn; q <- m$fp + m$tn; estimate <- count_metric("diagnostic_odds_ratio", m)
  if (is.na(estimate)) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  l <- qlogis(c(m$tp / p, wilson(m$tp, p, level))); k <- qlogis(c(m$tn / q, wilson(m$tn, q, level)))
  low <- if (estimate == 0) -Inf else if (estimate == Inf) l[2] + k[2] else l[1] + k[1] - sqrt((l[1] - l[2])^2 + (k[1] - k[2])^2)
  high <- if (estimate == Inf) Inf else if (estimate == 0) l[3] + k[3] else l[1] + k[1] + sqrt((l[3] - l[1])^2 + (k[3] - k[1])^2)
  list(estimate = estimate, conf.low = exp(low), conf.high = exp(high))
}
# MOVER for a weighted difference of two cells of a multinomial
net_benefit_mover <- function(y, s, t, level) {
  m <- confusion_of(y, s >= t); n <- length(y); w <- t / (1 - t); a <- c(m$tp / n, wilson(m$tp, n, level)); b <- w * c(m$fp / n, wilson(m$fp, n, level))
  p <- c(m$tp, m$fp) / n; r <- if (all(p > 0 & p < 1)) -sqrt(prod(p / (1 - p))) else 0
  far <- function(u, v) sqrt(max(u^2 - 2 * r * u * v + v^2, 0))
  list(estimate = a[1] - b[1], conf.low = a[1] - b[1] - far(a[1] - a[2], b[3] - b[1]), conf.high = a[1] - b[1] + far(a[3] - a[1], b[1] - b[2]))
}
# Boyd, Eng and Page (2013): the average precision as a proportion of the positive cases, on the logit scale
auprc_logit <- function(y, s, level) {
  a <- average_precision(y, s); made <- list(estimate = a, conf.low = NA, conf.high = NA, std.error = NA)
  if (is.na(a) || a <= 0 || a >= 1) return(made)
  half <- z_of(level) / sqrt(sum(y) * a * (1 - a))
  list(estimate = a, conf.low = plogis(qlogis(a) - half), conf.high = plogis(qlogis(a) + half), std.error = sqrt(a * (1 - a) / sum(y)))
}
loss_terms <- function(metric, y, s) if (metric == "brier") (s - y)^2 else { p <- pmin(pmax(s, 1e-15), 1 - 1e-15); -ifelse(y, log(p), log1p(-p)) }
# A mean loss, limits on the log scale; up to 2,000 cases they have a bootstrap-t, which is not drawn again
mean_loss <- function(metric, y, s, level) {
  v <- loss_terms(metric, y, s); n <- length(v); made <- list(estimate = mean(v), conf.low = NA, conf.high = NA, std.error = NA)
  if (n < 2 || max(v) - min(v) <= 1e-12 * max(1, v)) { if (n < 2) made$estimate <- NA; return(made) }
  made$std.error <- sd(v) / sqrt(n)
  if (n <= 2000) return(made[c("estimate", "std.error")])
  half <- qt(1 - (1 - level) / 2, n - 1) * made$std.error / made$estimate
  made$conf.low <- made$estimate * exp(-half); made$conf.high <- made$estimate * exp(half)
  made
}
# Simel, Samsa and Matchar (1991); Woolf (1955)
log_interval <- function(metric, m, level) {
  estimate <- count_metric(metric, m); none <- list(estimate = estimate, conf.low = NA, conf.high = NA)
  if (is.na(estimate) || estimate %in% c(0, Inf)) return(none)
  variance <- with(m, switch(metric, lr_positive = 1 / tp - 1 / (tp + fn) + 1 / fp - 1 / (fp + tn),
    lr_negative = 1 / fn - 1 / (tp + fn) + 1 / tn - 1 / (fp + tn), diagnostic_odds_ratio = 1 / tp + 1 / fn + 1 / fp + 1 / tn))
  if (variance <= 0) return(none)
  half <- z_of(level) * sqrt(variance)
  list(estimate = estimate, conf.low = estimate * exp(-half), conf.high = estimate * exp(half))
}
# PPV and NPV at a prevalence (Mercaldo, Lau and Zhou 2007), standard logit interval
mercaldo <- function(metric, m, prevalence, level) {
  p <- m$tp + m$fn; n <- m$fp + m$tn; none <- list(estimate = NA, conf.low = NA, conf.high = NA)
  if (p == 0 || n == 0) return(none)
  v <- if (metric == "ppv") c(m$tp, p, m$fp, n) else c(m$tn, n, m$fn, p)
  odds <- if (metric == "ppv") prevalence / (1 - prevalence) else (1 - prevalence) / prevalence
  if (v[1] == 0 && v[3] == 0) return(none)
  right <- v[1] / v[2] * odds; wrong <- v[3] / v[4]; none$estimate <- right / (right + wrong)
  if (v[1] == 0 || v[3] == 0 || (v[1] == v[2] && v[3] == v[4])) return(none)
  half <- z_of(level) * sqrt(1 / v[1] - 1 / v[2] + 1 / v[3] - 1 / v[4])
  list(estimate = none$estimate, conf.low = plogis(log(right / wrong) - half), conf.high = plogis(log(right / wrong) + half))
}

# ---- One model: its scores --------------------------------------------------------------------------------------------

# Placements: the share of the negatives that a positive case outranks, and of the positives that outrank a negative one; ties half.
placements <- function(y, s) {
  m <- sum(y); n <- sum(!y)
  if (m == 0 || n == 0) return(list(auc = NA, v10 = numeric(0), v01 = numeric(0)))
  r <- rank(s)
  list(auc = (sum(r[y]) - m * (m + 1) / 2) / (m * n), v10 = (r[y] - rank(s[y])) / n, v01 = 1 - (r[!y] - rank(s[!y])) / m)
}
# DeLong, DeLong and Clarke-Pearson (1988): the variance of one area, or the covariance of two
delong_cov <- function(a, b) {
  if (length(a$v10) < 2 || length(a$v01) < 2) return(NA)
  sum((a$v10 - a$auc) * (b$v10 - b$auc)) / (length(a$v10) - 1) / length(a$v10) +
    sum((a$v01 - a$auc) * (b$v01 - b$auc)) / (length(a$v01) - 1) / length(a$v01)
}
delong_one <- function(y, s, level, logit) {
  a <- placements(y, s); se <- sqrt(delong_cov(a, a)); z <- z_of(level)
  made <- list(estimate = a$auc, conf.low = NA, conf.high = NA, std.error = se)
  if (is.na(a$auc)) made$std.error <- NA
  if (is.na(a$auc) || is.na(se)) return(made)
  if (!logit) { made$conf.low <- max(a$auc - z * se, 0); made$conf.high <- min(a$auc + z * se, 1); return(made) }
  if (a$auc %in% c(0, 1) || se == 0) return(made)
  half <- z * se / (a$auc * (1 - a$auc))
  made$conf.low <- plogis(qlogis(a$auc) - half); made$conf.high <- plogis(qlogis(a$auc) + half)
  made
}
# Newcombe (2006), method 5: the values t with |A - t| = z sqrt(var(t)), Hanley and McNeil's variance with both sizes at their mean
newcombe_variance <- function(t, m, n) t * (1 - t) * (1 + ((m + n) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
newcombe_lower <- function(auc, m, n, z) {
  if (auc == 0) return(0)
  mean_size <- (m + n) / 2
  excess <- function(t) {
    q <- (2 - t) * (1 + t); spread <- q + (mean_size - 1) * (1 + 2 * t * (1 - t))
    if (auc == 1) (1 - t) * m * n * q - z^2 * t * spread else (auc - t)^2 * m * n * q - z^2 * t * (1 - t) * spread
  }
  uniroot(excess, c(0, auc), tol = 1e-15, maxiter = 10000)$root
}
newcombe_auc <- function(y, s, level) {
  auc <- placements(y, s)$auc; m <- sum(y); n <- sum(!y); z <- z_of(level)
  if (is.na(auc)) return(list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA))
  list(estimate = auc, conf.low = newcombe_lower(auc, m, n, z), conf.high = 1 - newcombe_lower(1 - auc, n, m, z),
       std.error = if (auc %in% c(0, 1)) NA else sqrt(newcombe_variance(auc, m, n)))
}
average_precision <- function(y, s) {
  if (!any(y) || all(y)) return(NA)
  at <- sort(unique(s), decreasing = TRUE)
  tp <- vapply(at, function(t) sum(y & s >= t), 0); called <- vapply(at, function(t) sum(s >= t), 0)
  sum(diff(c(0, tp)) * tp / called) / sum(y)
}
bin_of <- function(s) findInterval(s, (1:9) / 10, left.open = TRUE)  # equal widths, closed on the right
separated <- function(y, x) !any(y) || all(y) || max(x[!y]) <= min(x[y]) || max(x[y]) <= min(x[!y])
clipped_logit <- function(s) qlogis(pmin(pmax(s, 1e-6), 1 - 1e-6))

# Cox (1958): the slope by logistic regression on the score's logit, the intercept with that logit as offset; Wald limits.
calibration_slope <- function(y, s, level) calibration_line(y, s, level, 2)
calibration_line <- function(y, s, level, term) {  # term 1: the intercept estimated with the slope, 2: the slope
  x <- clipped_logit(s); none <- list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA)
  if (separated(y, x)) return(none)
  fit <- suppressWarnings(glm(y ~ x, family = binomial(), control = glm.control(epsilon = 1e-14, maxit = 500)))
  b <- unname(coef(fit)[term]); se <- sqrt(vcov(fit)[term, term]); half <- z_of(level) * se
  list(estimate = b, conf.low = b - half, conf.high = b + half, std.error = se)
}
calibration_intercept <- function(y, s, level) {
  if (!any(y) || all(y)) return(list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA))
  x <- clipped_logit(s)
  a <- uniroot(function(a) sum(y) - sum(plogis(a + x)), c(-60, 60), tol = 1e-14, maxiter = 10000)$root
  p <- plogis(a + x); se <- 1 / sqrt(sum(p * (1 - p))); half <- z_of(level) * se
  list(estimate = a, conf.low = a - half, conf.high = a + half, std.error = se)
}
net_benefit_terms <- function(y, s, t) ifelse(s >= t, ifelse(y, 1, -t / (1 - t)), 0)

score_metric <- function(metric, y, s, threshold) {
  switch(metric,
    auroc = placements(y, s)$auc, auprc = average_precision(y, s), brier = mean((s - y)^2),
    log_loss = mean(loss_terms("log_loss", y, s)),
    calibration_slope = calibration_slope(y, s, 0.95)$estimate, calibration_intercept = calibration_intercept(y, s, 0.95)$estimate,
    ece = sum(abs(tapply(s - y, bin_of(s), sum))) / length(y), net_benefit = mean(net_benefit_terms(y, s, threshold)), NULL)
}
COUNTS <- c("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j", "lr_positive",
            "lr_negative", "diagnostic_odds_ratio")
metric_of <- function(metric, part, model, threshold = NA) {
  if (metric %in% COUNTS) return(if (is.null(part$called)) NULL else count_metric(metric, confusion_of(part$y, part$called[[model]])))
  if (is.null(part$score)) NULL else score_metric(metric, part$y, part$score[[model]], threshold)
}
# Calibration is a fit, the rest closed forms
tolerance_of <- function(metric) if (grepl("^calibration", metric)) 1e-5 else 1e-9

# A percentile interval, resampled here again for accuracy and AUROC: it has to agree within the Monte Carlo errors of both.
drawn_limits <- function(metric, part, model, level, draws = 2000) {
  y <- part$y; n <- part$n
  if (metric == "accuracy") drawn <- rbinom(draws, n, mean(part$called[[model]] == y)) / n
  else { s <- part$score[[model]]; drawn <- replicate(draws, { i <- sample.int(n, n, TRUE); placements(y[i], s[i])$auc }) }
  quantile(drawn, c((1 - level) / 2, 1 - (1 - level) / 2), na.rm = TRUE, names = FALSE)
}

check_metrics <- function(table) {
  drawn <- 0
  for (i in seq_len(NROW(table))) {
    row <- table[i, ]; metric <- row$metric; method <- row$method
    key <- paste0("metrics.csv ", method, if (method == "wald" && metric %in% c("brier", "log_loss")) " of a mean loss"); part <- slice_of_row(row)
    where <- naming(row, c("model", "metric", "method", "subgroup", "level", "seed", "label.rule", "prevalence", "threshold"))
    pooled <- !is.null(part) && part$folds && metric %in% c("auroc", "auprc")
    if (is.null(part) || pooled || !row$model %in% part$models) { leave(key, numbers_in(row)); next }
    level <- num(row$conf.level); if (is.na(level)) level <- settings$conf.level
    y <- part$y; s <- part$score[[row$model]]
    m <- if (is.null(part$called)) NULL else confusion_of(y, part$called[[row$model]])
    if (is.null(m) && metric %in% COUNTS) { leave(key, numbers_in(row)); next }
    again <- switch(method,
      wilson = if (metric == "f1") f1_wilson(m, level)
        else if (part$clustered) proportion_cluster(metric, y, part$called[[row$model]], part$groups, level) else proportion(metric, m, method, level),
      clopper_pearson = , agresti_coull = , jeffreys = proportion(metric, m, method, level),
      mover_wilson = switch(metric, lr_positive = , lr_negative = ratio_mover(metric, m, level), diagnostic_odds_ratio = odds_ratio_mover(m, level),
        net_benefit = net_benefit_mover(y, s, num(row$threshold), level),
        if (part$clustered) mover_cluster(metric, y, part$called[[row$model]], part$groups, level) else mover_wilson(metric, m, level)),
      log = log_interval(metric, m, level),
      mercaldo_logit = mercaldo(metric, m, num(row$prevalence), level),
      delong = delong_one(y, s, level, FALSE), delong_logit = if (part$clusters >= part$n) delong_one(y, s, level, TRUE) else delong_cluster_one(y, s, part$groups, level), newcombe_auc = newcombe_auc(y, s, level),
      wald = switch(metric, calibration_slope = calibration_slope(y, s, level), calibration_intercept = calibration_intercept(y, s, level),
        auprc = auprc_logit(y, s, level), brier = , log_loss = mean_loss(metric, y, s, level)), NULL)
    hold(key, where, "n", num(row$n), part$n)
    if (!is.null(again)) { hold_row(key, where, row, again, if (method == "newcombe_auc") 1e-8 else tolerance_of(metric)); next }
    estimate <- metric_of(metric, part, row$model, num(row$threshold))
    if (is.null(estimate) || !grepl("^bootstrap", method)) { leave(key, numbers_in(row)); next }
    hold(key, where, "estimate", num(row$estimate), estimate, tolerance_of(metric))
    ours <- method == "bootstrap_percentile" && metric %in% c("accuracy", "auroc") && !part$clustered && !settings$stratified
    if (ours && !given(row$subgroup) && !is.na(num(row$conf.low)) && drawn < 24) {
      drawn <- drawn + 1
      limits <- drawn_limits(metric, part, row$model, level)
      error <- 4 * sqrt(2 * max(1, num(row$n.resamples) / 2000)) # both intervals are drawn
      for (side in 1:2) hold_within(key, where, c("conf.low", "conf.high")[side], num(row[[c("conf.low", "conf.high")[side]]]), limits[side],
                                    error * num(row[[c("mc.error.low", "mc.error.high")[side]]]) + 1 / part$n)
      leave(key, sum(!is.na(num(row$std.error))))
    } else leave(key, numbers_in(row) - !is.na(num(row$estimate)))
  }
}
