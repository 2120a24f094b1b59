# Reference values for tests/stats/test_icc.py, test_kappa.py, test_agreement_coefficients.py, test_bland_altman.py
# usage: Rscript make_agreement.R OUTDIR    (R with psych; writes the data sets and agreement_expected.csv)
# ICC and Cohen's kappa come from psych. The rest has no package here and is written from the papers' formulas:
#   AC1, AC2 (Gwet 2008, 2014), Fleiss' kappa (Fleiss 1971; null error Fleiss, Nee and Landis 1979), Krippendorff (2011) from its coincidence
#   matrix, SEM limits (Graybill and Wang 1980), limits of agreement (Carkeet 2015, noncentral t).
# Large-sample errors of AC1, AC2 and Fleiss' kappa are not taken from a formula: each coefficient is written as a function of case weights and
# its influence values are numerical derivatives (infinitesimal jackknife), the variance sum(U^2)/(n(n-1)).
suppressMessages(library(psych))
out <- commandArgs(TRUE)[1]
set.seed(20240611)
rows <- list()
add <- function(case, metric, method, ...) {
  v <- list(...)
  for (q in names(v)) rows[[length(rows) + 1]] <<- data.frame(case = case, metric = metric, method = method, quantity = q,
    value = sprintf("%.15g", as.numeric(v[[q]])))
}
save <- function(case, x) write.csv(as.data.frame(x), file.path(out, paste0(case, ".csv")), row.names = FALSE, na = "", quote = FALSE)

# ---- measurements
measured <- function(case, x) {
  save(case, x); n <- nrow(x); k <- ncol(x)
  for (level in c(.95, .9)) {
    r <- suppressWarnings(suppressMessages(ICC(x, lmer = FALSE, alpha = 1 - level)))$results
    nm <- c("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
    for (i in 1:6) {
      if (level == .95) add(case, nm[i], "anova", estimate = r$ICC[i], statistic = r$F[i], parameter1 = r$df1[i], parameter2 = r$df2[i],
                            pvalue = r$p[i], conf_low = r$`lower bound`[i], conf_high = r$`upper bound`[i])
      else add(case, nm[i], "anova", conf_low_90 = r$`lower bound`[i], conf_high_90 = r$`upper bound`[i])
    }
  }
  long <- data.frame(y = c(x), case = factor(rep(1:n, k)), reader = factor(rep(1:k, each = n)))
  ms <- summary(aov(y ~ case + reader, long))[[1]][["Mean Sq"]]; msj <- ms[2]; mse <- ms[3]; dj <- k - 1; de <- (n - 1) * (k - 1)
  add(case, "sem", "consistency", estimate = sqrt(mse), conf_low = sqrt(de * mse / qchisq(.975, de)), conf_high = sqrt(de * mse / qchisq(.025, de)))
  th <- msj / n + (1 - 1 / n) * mse
  g <- function(d) 1 - d / qchisq(.975, d); h <- function(d) d / qchisq(.025, d) - 1
  lo <- th - sqrt((g(dj) * msj / n)^2 + (g(de) * (1 - 1 / n) * mse)^2); hi <- th + sqrt((h(dj) * msj / n)^2 + (h(de) * (1 - 1 / n) * mse)^2)
  est <- sqrt(max((msj - mse) / n, 0) + mse)
  add(case, "sem", "anova", estimate = est, conf_low = sqrt(max(lo, 0)), conf_high = sqrt(hi))
  add(case, "mdc95", "anova", estimate = 1.96 * sqrt(2) * est)
  d <- x[, 1] - x[, 2]; t <- t.test(d); z <- qnorm(.975)
  add(case, "bland_altman_bias", "exact", estimate = mean(d), conf_low = t$conf.int[1], conf_high = t$conf.int[2], statistic = t$statistic, pvalue = t$p.value)
  q <- qt(c(.025, .975), n - 1, ncp = z * sqrt(n)) * sd(d) / sqrt(n)
  add(case, "bland_altman_upper", "exact", estimate = mean(d) + z * sd(d), conf_low = mean(d) + q[1], conf_high = mean(d) + q[2])
  add(case, "bland_altman_lower", "exact", estimate = mean(d) - z * sd(d), conf_low = mean(d) - q[2], conf_high = mean(d) - q[1])
  add(case, "krippendorff_alpha", "interval", estimate = kalpha(x, "interval"))
}

# ---- categories
cnt <- function(x, q) t(apply(x, 1, function(r) tabulate(r[!is.na(r)], q)))
W <- function(q, kind) outer(1:q, 1:q, function(i, j) switch(kind, unweighted = 1 * (i == j), linear = 1 - abs(i - j) / (q - 1), quadratic = 1 - ((i - j) / (q - 1))^2))
kalpha <- function(x, level) {
  u <- x[rowSums(!is.na(x)) >= 2, , drop = FALSE]; v <- sort(unique(c(u[!is.na(u)]))); L <- length(v); o <- matrix(0, L, L)
  for (i in seq_len(nrow(u))) { r <- match(u[i, !is.na(u[i, ])], v); m <- length(r)
    for (a in 1:m) for (b in 1:m) if (a != b) o[r[a], r[b]] <- o[r[a], r[b]] + 1 / (m - 1) }
  nc <- rowSums(o); N <- sum(nc)
  D <- matrix(0, L, L)
  for (i in 1:L) for (j in 1:L) D[i, j] <- switch(level, nominal = 1 * (i != j), interval = (v[i] - v[j])^2,
    ordinal = (sum(nc[min(i, j):max(i, j)]) - (nc[i] + nc[j]) / 2)^2)
  1 - (N - 1) * sum(o * D) / sum(outer(nc, nc) * D)
}
ac <- function(r, w, wt = rep(1, nrow(r))) {   # AC1/AC2 of counts r with case weights wt
  q <- ncol(r); ri <- rowSums(r); two <- ri >= 2; rs <- r %*% w
  pai <- ifelse(two, rowSums(r * (rs - 1)) / (ri * (ri - 1)), 0); pa <- sum((wt * pai)[two]) / sum(wt[two])
  p <- colSums(wt * r / ri) / sum(wt); pe <- sum(w) / (q * (q - 1)) * sum(p * (1 - p)); (pa - pe) / (1 - pe)
}
fleiss <- function(r, wt = rep(1, nrow(r))) {  # with unequal numbers of readings: Gwet (2014)
  m <- rowSums(r); two <- m >= 2; a <- (rowSums(r^2) - m) / (m^2 - m); pa <- sum((wt * a)[two]) / sum(wt[two])
  p <- colSums(wt * r / m) / sum(wt); (pa - sum(p^2)) / (1 - sum(p^2))
}
fleiss_se <- function(r) {  # with single readings: the number of cases read twice held fixed (Gwet 2014), case by case
  m <- rowSums(r); n <- nrow(r); n2 <- sum(m >= 2); e <- fleiss(r); p <- colMeans(r / m); pe <- sum(p^2); u <- numeric(n)
  for (i in 1:n) {
    own <- if (m[i] >= 2) n / n2 * (sum(r[i, ] * (r[i, ] - 1)) / (m[i] * (m[i] - 1)) - pe) else 0
    u[i] <- own / (1 - pe) - 2 * (1 - e) * (sum(r[i, ] * p) / m[i] - pe) / (1 - pe)
  }
  sqrt(sum((u - e)^2) / (n * (n - 1)))
}
fleiss_null <- function(r) {  # error under independence: the exact variance of the linearised Pa - Pe, over every outcome of a case's readings
  m <- rowSums(r); n <- nrow(r); n2 <- sum(m >= 2); q <- ncol(r); p <- colMeans(r / m); v <- 0
  for (size in unique(m)) {
    y <- as.matrix(expand.grid(rep(list(1:q), size))); w <- apply(y, 1, function(o) prod(p[o]))
    a <- if (size < 2) rep(0, nrow(y)) else apply(y, 1, function(o) { same <- outer(o, o, "=="); (sum(same) - size) / (size * (size - 1)) })
    f <- a / n2 - 2 * apply(y, 1, function(o) mean(p[o])) / n; v <- v + sum(m == size) * (sum(w * f^2) - sum(w * f)^2)
  }
  sqrt(v) / (1 - sum(p^2))
}
gwet_se <- function(r, w) {   # with single readings: Gwet (2014), which holds the number of cases read twice fixed
  q <- ncol(r); ri <- rowSums(r); two <- 1 * (ri >= 2); n <- nrow(r); n2 <- sum(two); e <- ac(r, w)
  pai <- ifelse(two == 1, rowSums(r * (r %*% w - 1)) / pmax(ri * (ri - 1), 1), 0); p <- colMeans(r / ri); tw <- sum(w) / (q * (q - 1)); pe <- tw * sum(p * (1 - p))
  ei <- sapply(1:n, function(i) (n / n2) * (pai[i] - pe * two[i]) / (1 - pe) - 2 * (1 - e) * (tw * sum(r[i, ] / ri[i] * (1 - p)) - pe) / (1 - pe))
  sqrt(sum((ei - e)^2) / n / (n - 1))
}
ij <- function(f, n) {   # standard error by the infinitesimal jackknife
  h <- 1e-4; U <- sapply(1:n, function(i) { a <- b <- rep(1, n); a[i] <- 1 + h; b[i] <- 1 - h; n * (f(a) - f(b)) / (2 * h) }); sqrt(sum(U^2) / (n * (n - 1)))
}
called <- function(case, x, q) {
  save(case, x); n <- nrow(x); r <- cnt(x, q); some <- rowSums(r) > 0; rr <- r[some, , drop = FALSE]; nn <- nrow(rr)
  for (kind in c("unweighted", "linear", "quadratic")) {
    metric <- if (kind == "unweighted") "gwet_ac1" else "gwet_ac2"; w <- W(q, kind); e <- ac(rr, w); s <- if (all(rowSums(rr) >= 2)) ij(function(wt) ac(rr, w, wt), nn) else gwet_se(rr, w)
    h <- qt(.975, nn - 1) * s; add(case, metric, kind, estimate = e, std_error = s, conf_low = max(e - h, -1), conf_high = min(e + h, 1))
  }
  for (l in c("nominal", "ordinal", "interval")) add(case, "krippendorff_alpha", l, estimate = kalpha(x, l))
  full <- rowSums(is.na(x)) == 0; k <- ncol(x); N <- sum(full); e <- fleiss(rr)
  s <- if (all(rowSums(rr) >= 2)) ij(function(wt) fleiss(rr, wt), nn) else fleiss_se(rr); h <- qt(.975, nn - 1) * s; se0 <- fleiss_null(rr)
  if (all(full)) {  # Fleiss, Nee and Landis (1979) as printed, for equal numbers of readings
    p <- colSums(rr) / sum(rr); b <- sum(p * (1 - p)); printed <- sqrt(2) / (b * sqrt(N * k * (k - 1))) * sqrt(b^2 - sum(p * (1 - p) * (1 - 2 * p)))
    stopifnot(abs(printed / se0 - 1) < 1e-10)
  }
  add(case, "fleiss_kappa", "unweighted", estimate = e, std_error = s, conf_low = max(e - h, -1), conf_high = min(e + h, 1), statistic = e / se0)
  two <- rowSums(r) >= 2; ri <- rowSums(r)[two]; add(case, "percent_agreement", "wilson", estimate = mean(rowSums(r[two, ] * (r[two, ] - 1)) / (ri * (ri - 1))))
  if (k == 2) {
    xf <- x[full, ]; ck <- suppressWarnings(cohen.kappa(xf, alpha = .05)); tab <- table(factor(xf[, 1], 1:q), factor(xf[, 2], 1:q))
    add(case, "cohen_kappa", "unweighted", estimate = ck$kappa, std_error = sqrt(ck$var.kappa), conf_low = ck$confid[1, 1], conf_high = ck$confid[1, 3])
    add(case, "cohen_kappa", "quadratic", estimate = ck$weighted.kappa)
    lw <- suppressWarnings(cohen.kappa(xf, w = W(q, "linear"))); add(case, "cohen_kappa", "linear", estimate = lw$weighted.kappa)
    # z of kappa = 0: the error under independence of Fleiss, Cohen and Everitt (1969), summed cell by cell
    for (kind in c("unweighted", "linear", "quadratic")) {
      w <- W(q, kind); P <- tab / sum(tab); a <- rowSums(P); bb <- colSums(P); pe <- sum(w * outer(a, bb)); po <- sum(w * P); v <- 0
      for (i in 1:q) for (j in 1:q) v <- v + a[i] * bb[j] * (w[i, j] - (sum(bb * w[i, ]) + sum(a * w[, j])))^2
      # Error of the estimate: delta method on the multinomial cells, derivatives numerical. (psych 2.2.9 has 0 or more than 1 for weighted kappas.)
      kw <- function(P) { e <- sum(w * outer(rowSums(P), colSums(P))) / sum(P)^2; (sum(w * P) / sum(P) - e) / (1 - e) }
      g <- 0 * P; hh <- 1e-5; for (i in 1:q) for (j in 1:q) { A <- B <- P; A[i, j] <- P[i, j] + hh; B[i, j] <- P[i, j] - hh; g[i, j] <- (kw(A) - kw(B)) / (2 * hh) }
      add(case, "cohen_kappa", kind, std_error = sqrt((sum(P * g^2) - sum(P * g)^2) / sum(tab)))
      add(case, "cohen_kappa", kind, statistic = (po - pe) / (1 - pe) / (sqrt((v - pe^2) / sum(tab)) / (1 - pe)))
    }
    pw <- suppressWarnings(prop.test(sum(xf[, 1] == xf[, 2]), N, correct = FALSE))$conf.int
    if (all(rowSums(!is.na(x)) == 2)) add(case, "percent_agreement", "wilson", conf_low = pw[1], conf_high = pw[2])
  }
}

rate <- function(n, k, shift, noise, digits) {
  truth <- rnorm(n, 50, 10); x <- sapply(1:k, function(j) round(truth + rnorm(1, 0, shift) + rnorm(n, 0, noise), digits)); colnames(x) <- paste0("r", 1:k); x
}
measured("measured_a", rate(20, 2, 2, 4, 1))
measured("measured_b", rate(49, 3, 4, 3, 1))
measured("measured_c", rate(331, 4, 0.01, 8, 2))
measured("measured_d", rate(7, 5, 8, 30, 0))
measured("measured_binary", { t <- rbinom(80, 1, .4); x <- sapply(1:3, function(j) ifelse(runif(80) < .85, t, 1 - t)); colnames(x) <- paste0("r", 1:3); x })
call_ <- function(n, k, q, good, miss) {
  t <- sample(q, n, TRUE, prob = (q:1)^1.3); x <- sapply(1:k, function(j) ifelse(runif(n) < good, t, pmin(q, pmax(1, t + sample(c(-1, 1, 2), n, TRUE)))))
  x[runif(length(x)) < miss] <- NA; colnames(x) <- paste0("r", 1:k); x
}
called("called_a", call_(100, 2, 3, .8, 0), 3)
called("called_b", call_(331, 2, 5, .7, 0), 5)
called("called_c", call_(49, 2, 2, .85, 0), 2)
called("called_d", call_(60, 4, 4, .75, 0), 4)
called("called_e", call_(80, 4, 4, .7, .25), 4)
called("called_f", call_(60, 2, 4, .7, .15), 4)
write.csv(do.call(rbind, rows), file.path(out, "agreement_expected.csv"), row.names = FALSE, quote = FALSE)
