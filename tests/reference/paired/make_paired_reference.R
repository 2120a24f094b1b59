# usage: Rscript make_paired_reference.R OUTDIR          (base R alone)
# A second implementation of the methods for which R here has no package, from the papers' formulas, by other routes than hybridcx
# takes: likelihoods solved numerically, regression models fitted with glm/lm and sandwich variances summed over cases.
# Writes tables.csv (two models' calls by truth), table_expected.csv, clusters.csv, cluster_expected.csv, wilson_cluster_expected.csv, adjust_expected.csv.
a <- commandArgs(TRUE); out <- a[1]; dir.create(out, showWarnings = FALSE, recursive = TRUE); set.seed(20261)
level <- 0.95; z <- qnorm(1 - (1 - level) / 2)
rows <- list()
add <- function(case, metric, method, estimate = NA, lo = NA, hi = NA, stat = NA, p = NA, se = NA)
  rows[[length(rows) + 1]] <<- data.frame(case = case, metric = metric, method = method, estimate = as.numeric(estimate),
    conf_low = as.numeric(lo), conf_high = as.numeric(hi), statistic = as.numeric(stat), p_value = as.numeric(p), std_error = as.numeric(se))
save <- function(x, file) write.csv(format(x, digits = 16, scientific = TRUE, trim = TRUE), file.path(out, file), row.names = FALSE, quote = FALSE)
save_counts <- function(x, file) write.csv(x, file.path(out, file), row.names = FALSE, quote = FALSE)
wilson <- function(x, n) suppressWarnings(prop.test(x, n, correct = FALSE, conf.level = level))$conf.int
tight <- glm.control(epsilon = 1e-15, maxit = 200)

# Tango (1998): the nuisance probability maximises the multinomial likelihood under p10 - p01 = delta; here by a root of its derivative.
tango_z <- function(b, c, n, delta) {
  lo <- max(0, -delta); hi <- (1 - delta) / 2; e <- n - b - c
  slope <- function(q) (if (b > 0) b / (q + delta) else 0) + (if (c > 0) c / q else 0) - (if (e > 0) 2 * e / (1 - 2 * q - delta) else 0)
  w <- hi - lo; l <- lo + w * 1e-15; h <- hi - w * 1e-15
  q <- if (slope(l) <= 0) lo else if (slope(h) >= 0) hi else uniroot(slope, c(l, h), tol = 1e-16, maxiter = 10000)$root
  (b - c - n * delta) / sqrt(n * (2 * q + delta - delta^2))
}
tango <- function(b, c, n) {
  d <- (b - c) / n; eps <- 1e-9
  c(uniroot(function(x) tango_z(b, c, n, x) - z, c(-1 + eps, d - eps), tol = 1e-14, maxiter = 10000)$root,
    uniroot(function(x) tango_z(b, c, n, x) + z, c(d + eps, 1 - eps), tol = 1e-14, maxiter = 10000)$root)
}
newcombe <- function(n11, n10, n01, n00) {
  n11 <- as.numeric(n11); n10 <- as.numeric(n10); n <- n11 + n10 + n01 + n00; p1 <- (n11 + n10) / n; p2 <- (n11 + n01) / n; w1 <- wilson(n11 + n10, n); w2 <- wilson(n11 + n01, n)
  n01 <- as.numeric(n01); A <- n11 * n00 - n10 * n01; A <- if (A > n / 2) A - n / 2 else if (A >= 0) 0 else A
  D <- (n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00); phi <- if (D == 0) 0 else A / sqrt(D)
  dl1 <- p1 - w1[1]; du1 <- w1[2] - p1; dl2 <- p2 - w2[1]; du2 <- w2[2] - p2
  c(p1 - p2 - sqrt(dl1^2 - 2 * phi * dl1 * du2 + du2^2), p1 - p2 + sqrt(du1^2 - 2 * phi * du1 * dl2 + dl2^2))
}
agresti_min <- function(n11, n10, n01, n00) {
  t <- c(n11, n10, n01, n00) + 0.5; p <- t / sum(t); d <- p[2] - p[3]; se <- sqrt((p[2] + p[3] - d^2) / sum(t)); c(d - z * se, d + z * se)
}
sandwich_cluster <- function(X, residual, id, bread) { s <- rowsum(X * residual, id); bread %*% crossprod(s) %*% bread }

# The tables: calls of two models (y1, y2) by truth (d): D1 n11 n10 n01 n00, D0 n11 n10 n01 n00. The first is Paired1 of DTComPair.
tabs <- rbind(c(319, 78, 22, 32, 31, 53, 22, 155), c(20, 3, 1, 1, 2, 1, 4, 17), c(9, 1, 0, 2, 1, 1, 2, 30), c(60, 30, 5, 5, 20, 10, 30, 300))
for (i in 1:16) tabs <- rbind(tabs, c(rmultinom(1, sample(c(12, 25, 80, 200), 1), c(.7, .1, .1, .1))) |> c(c(rmultinom(1, sample(c(12, 24, 80, 200), 1), c(.1, .12, .12, .66)))))
colnames(tabs) <- c("d1_11", "d1_10", "d1_01", "d1_00", "d0_11", "d0_10", "d0_01", "d0_00")
cases <- sprintf("t%02d", seq_len(nrow(tabs)))
save_counts(data.frame(case = cases, tabs), "tables.csv")

for (i in seq_len(nrow(tabs))) {
  t <- tabs[i, ]; case <- cases[i]; n <- sum(t)
  cells <- data.frame(d = rep(c(1, 0), each = 4), y1 = c(1, 1, 0, 0), y2 = c(1, 0, 1, 0), k = t)
  x <- cells[rep(seq_len(8), cells$k), 1:3]; x$id <- seq_len(n)
  r1 <- x$y1 == x$d; r2 <- x$y2 == x$d
  for (m in c("accuracy", "sensitivity", "specificity")) {
    s <- if (m == "accuracy") rep(TRUE, n) else if (m == "sensitivity") x$d == 1 else x$d == 0
    n11 <- sum(r1[s] & r2[s]); b <- sum(r1[s] & !r2[s]); c <- sum(!r1[s] & r2[s]); n00 <- sum(!r1[s] & !r2[s]); N <- sum(s); d <- (b - c) / N
    if (b + c > 0 && max(b, c) < N) { ci <- tango(b, c, N); zz <- tango_z(b, c, N, 0); add(case, m, "tango", d, ci[1], ci[2], zz, 2 * pnorm(-abs(zz)))
      add(case, m, "tango_pvalue_margin_0.1", d, p = pnorm(-tango_z(b, c, N, -0.1))) }
    ci <- newcombe(n11, b, c, n00); add(case, m, "newcombe_paired", d, max(ci[1], -1), min(ci[2], 1))
    ci <- agresti_min(n11, b, c, n00); add(case, m, "agresti_min", d, max(ci[1], -1), min(ci[2], 1))
    # mid-p and exact by enumeration of the binomial distribution
    f <- dbinom(0:(b + c), b + c, 0.5); away <- abs(2 * (0:(b + c)) - (b + c)); gap <- abs(b - c)
    add(case, m, "mcnemar_exact", d, p = sum(f[away >= gap - 1e-9]))
    if (b + c > 0) add(case, m, "mcnemar_midp", d, p = if (gap == 0) 1 - f[b + 1] / 2 else sum(f[away > gap + 1e-9]) + sum(f[abs(away - gap) < 1e-9]) / 2)
  }
  # one model
  tp <- sum(x$y1 & x$d); fn <- sum(!x$y1 & x$d); fp <- sum(x$y1 & !x$d); tn <- sum(!x$y1 & !x$d)
  for (m in c("sensitivity", "specificity")) {
    h <- if (m == "sensitivity") tp else tn; N <- if (m == "sensitivity") tp + fn else tn + fp
    nt <- N + z^2; pt <- (h + z^2 / 2) / nt; add(case, m, "agresti_coull", h / N, max(0, pt - z * sqrt(pt * (1 - pt) / nt)), min(1, pt + z * sqrt(pt * (1 - pt) / nt)))
    add(case, m, "jeffreys", h / N, if (h == 0) 0 else qbeta(.025, h + .5, N - h + .5), if (h == N) 1 else qbeta(.975, h + .5, N - h + .5))
  }
  se <- tp / (tp + fn); sp <- tn / (tn + fp); w1 <- wilson(tp, tp + fn); w2 <- wilson(tn, tn + fp)
  lo <- se + sp - sqrt((se - w1[1])^2 + (sp - w2[1])^2); hi <- se + sp + sqrt((w1[2] - se)^2 + (w2[2] - sp)^2)
  add(case, "balanced_accuracy", "mover_wilson", (se + sp) / 2, max(0, lo / 2), min(1, hi / 2))
  add(case, "youden_j", "mover_wilson", se + sp - 1, max(-1, lo - 1), min(1, hi - 1))
  mc <- cor(x$y1, x$d); add(case, "mcc", "", mc)
  add(case, "f1", "", 2 / (1 / se + (tp + fp) / tp))
  if (min(tp, fn, fp, tn) > 0) {
    # log relative risk of a positive (negative) call: saturated binomial model with log link
    for (m in c("lr_positive", "lr_negative")) {
      y <- if (m == "lr_positive") x$y1 else 1 - x$y1
      g <- glm(y ~ d, data = x, family = binomial("log"), start = c(log(mean(y[x$d == 0])), log(mean(y[x$d == 1]) / mean(y[x$d == 0]))), control = tight)
      e <- coef(g)[2]; s <- sqrt(vcov(g)[2, 2]); add(case, m, "log", exp(e), exp(e - z * s), exp(e + z * s))
      for (pi in c(0.05, 0.3)) {
        v <- if (m == "lr_positive") "ppv" else "npv"; lo <- if (v == "ppv") e + qlogis(pi) else -(e + qlogis(pi))
        add(case, v, paste0("mercaldo_logit_", pi), plogis(lo), plogis(lo - z * s), plogis(lo + z * s))
      }
    }
    g <- glm(y1 ~ d, data = x, family = binomial, control = tight); e <- coef(g)[2]; s <- sqrt(vcov(g)[2, 2])
    add(case, "diagnostic_odds_ratio", "log", exp(e), exp(e - z * s), exp(e + z * s))
  }
  # two models' predictive values: long format, one row a call
  for (m in c("ppv", "npv")) {
    call <- if (m == "ppv") 1 else 0
    L <- rbind(data.frame(id = x$id, Z = 0, D = x$d == call, y = x$y1 == call), data.frame(id = x$id, Z = 1, D = x$d == call, y = x$y2 == call)); L <- L[L$y, ]
    Zb <- mean(L$Z); Db <- mean(L$D); u <- rowsum((L$D - Db) * (L$Z - Zb), L$id)
    T <- sum(L$D * (L$Z - Zb))^2 / sum(u^2)
    g <- lm(D ~ Z, data = L); X <- model.matrix(g); V <- sandwich_cluster(X, residuals(g), L$id, solve(crossprod(X)))
    d <- -coef(g)[2]; s <- sqrt(V[2, 2])
    add(case, m, "generalized_score", d, d - z * s, d + z * s, T, pchisq(T, 1, lower.tail = FALSE), s)
    # Kosinski (2013): the pooled value's variance less twice the covariance from the cases that both tests call
    n1 <- sum(L$Z == 0); n2 <- sum(L$Z == 1); twice <- as.numeric(names(which(table(L$id) == 2))); Dt <- x$d[twice] == call
    Cp <- sum((Dt - Db)^2) / (n1 + n2); W <- (mean(L$D[L$Z == 0]) - mean(L$D[L$Z == 1]))^2 / ((Db * (1 - Db) - 2 * Cp) * (1 / n1 + 1 / n2))
    add(case, m, "weighted_generalized_score", d, d - z * s, d + z * s, W, pchisq(W, 1, lower.tail = FALSE), s)
  }
  # two models' likelihood ratios: log-linear marginal model, saturated in model and truth, cases are clusters
  for (m in c("lr_positive", "lr_negative")) {
    call <- if (m == "lr_positive") 1 else 0
    L <- rbind(data.frame(id = x$id, A = 1, d = x$d, y = 1 * (x$y1 == call)), data.frame(id = x$id, A = 0, d = x$d, y = 1 * (x$y2 == call)))
    if (min(tapply(L$y, list(L$A, L$d), sum)) > 0) {
      g <- glm(y ~ A * d, data = L, family = poisson, control = tight); X <- model.matrix(g); mu <- fitted(g)
      V <- sandwich_cluster(X, L$y - mu, L$id, solve(crossprod(X * sqrt(mu)))); e <- coef(g)[4]; s <- sqrt(V[4, 4])
      add(case, m, "lr_regression", exp(e), exp(e - z * s), exp(e + z * s), (e / s)^2, pchisq((e / s)^2, 1, lower.tail = FALSE), s)
    }
  }
}
save(do.call(rbind, rows), "table_expected.csv")

# Obuchowski (1998): variances and covariance of the two proportions, with the pooled proportion for the test, the interval by the roots of the test of each difference x.
rows <- list(); clusters <- list()
for (i in 1:8) {
  K <- sample(c(3, 10, 40), 1); nk <- sample(1:5, K, TRUE); shift <- rnorm(K)
  t <- t(sapply(seq_len(K), function(k) { q <- plogis(shift[k] + c(.8, .8 - .6 * (i %% 3)) ); y1 <- rbinom(nk[k], 1, q[1]); y2 <- ifelse(runif(nk[k]) < .4, y1, rbinom(nk[k], 1, q[2])); c(sum(y1 & y2), sum(y1 & !y2), sum(!y1 & y2), sum(!y1 & !y2)) }))
  case <- sprintf("k%02d", i); clusters[[i]] <- data.frame(case = case, cluster = seq_len(K), n11 = t[, 1], n10 = t[, 2], n01 = t[, 3], n00 = t[, 4])
  x1 <- t[, 1] + t[, 2]; x2 <- t[, 1] + t[, 3]; N <- sum(nk); p1 <- sum(x1) / N; p2 <- sum(x2) / N; f <- K / (K - 1) / N^2
  v <- function(q1, q2) f * sum((x1 - nk * q1)^2) + f * sum((x2 - nk * q2)^2) - 2 * f * sum((x1 - nk * q1) * (x2 - nk * q2))
  pb <- (p1 + p2) / 2; T <- (p1 - p2)^2 / v(pb, pb); s <- sqrt(v(p1, p2)); d <- p1 - p2
  h <- function(x) { u <- t[, 2] - t[, 3] - nk * x; (K - 1) / K * sum(u)^2 / sum(u^2) - z^2 }
  whole <- (K - 1) / K * N^2 <= z^2 * sum(nk^2)  # the test rejects no difference, however large
  lo <- if (whole || h(-1) <= 0) -1 else uniroot(h, c(-1, d), tol = 1e-15, maxiter = 10000)$root
  hi <- if (whole || h(1) <= 0) 1 else uniroot(h, c(d, 1), tol = 1e-15, maxiter = 10000)$root
  if (sum(abs(t[, 2] - t[, 3])) > 0) add(case, "accuracy", "mcnemar_cluster", d, lo, hi, T, pchisq(T, 1, lower.tail = FALSE), s)
}
save_counts(do.call(rbind, clusters), "clusters.csv"); save(do.call(rbind, rows), "cluster_expected.csv")

# One model's proportion with patients: Wilson's score equation on the effective sample size, solved by roots; the variance of the ratio estimator is
# the sandwich variance of a regression on a constant. The first model's cases stand for the positive class, the second's for the negative.
rows <- list()
for (cl in clusters) {
  one <- function(x, n) {
    id <- rep(seq_along(n), n); v <- unlist(mapply(function(a, b) rep(c(1, 0), c(a, b - a)), x, n)); fit <- lm(v ~ 1); K <- length(n); p <- unname(coef(fit))
    kish <- sum(n^2) / sum(n); s2 <- K / (K - 1) * sandwich_cluster(model.matrix(fit), residuals(fit), id, matrix(1 / length(v)))[1]
    observed <- if (sum(v) %in% c(0, length(v))) kish else max(1, s2 / (p * (1 - p) / length(v)))
    w <- 1 / (1 + min(sum(v), sum(1 - v))); D <- max(observed, w * kish + (1 - w) * observed)
    rho <- if (kish > 1) min(1, (observed - 1) / (kish - 1)) else 0; e <- n * (1 + (n - 1) * rho); q <- qt(1 - (1 - level) / 2, max(1, sum(e)^2 / sum(e^2) - 1))
    h <- function(u) (p - u)^2 - q^2 * u * (1 - u) * D / length(v)
    list(p = p, lo = if (p == 0) 0 else uniroot(h, c(0, p), tol = 1e-16, maxiter = 1e5)$root, hi = if (p == 1) 1 else uniroot(h, c(p, 1), tol = 1e-16, maxiter = 1e5)$root)
  }
  n <- with(cl, n11 + n10 + n01 + n00); x1 <- cl$n11 + cl$n10; x2 <- cl$n11 + cl$n01; A <- one(x1, n); B <- one(x2, n)
  add(cl$case[1], "sensitivity", "wilson", A$p, A$lo, A$hi); add(cl$case[1], "specificity", "wilson", B$p, B$lo, B$hi)
  r <- max(0, sum((x1 - n * A$p) * (x2 - n * B$p)) / sqrt(sum((x1 - n * A$p)^2) * sum((x2 - n * B$p)^2))); if (is.nan(r)) r <- 0
  far <- function(u, v) sqrt(u^2 + v^2 + 2 * r * u * v)
  add(cl$case[1], "youden_j", "mover_wilson", A$p + B$p - 1, max(-1, A$p + B$p - 1 - far(A$p - A$lo, B$p - B$lo)), min(1, A$p + B$p - 1 + far(A$hi - A$p, B$hi - B$p)))
}
save(do.call(rbind, rows), "wilson_cluster_expected.csv")

adj <- list()
for (i in 1:6) { p <- round(rbeta(sample(2:12, 1), .4, 2), sample(c(2, 6), 1)); adj[[i]] <- data.frame(family = i, p = p, holm = p.adjust(p, "holm"), hochberg = p.adjust(p, "hochberg"), BH = p.adjust(p, "BH")) }
save(do.call(rbind, adj), "adjust_expected.csv")
