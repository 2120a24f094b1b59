# usage: Rscript make_further.R OUTDIR        (R with pROC and psych; reads ../roc/data.csv and ovarian.csv beside it)
# Reference values that the other folders lack: sizes and powers searched for by brute force, margins tested with pROC's standard errors, the
# Obuchowski-Rockette analysis of accuracies, clustered net benefit, overlap of errors, agreement of more than two readers, max-T and the share
# of resamples in which a model is best (both from replicates stored here), ROC points. From the papers' formulas, not from hybridcx.
suppressMessages({library(pROC); library(psych)})
args <- commandArgs(FALSE); here <- dirname(normalizePath(sub("--file=", "", args[grep("--file=", args)]))); out <- commandArgs(TRUE)[1]
set.seed(20261124)
rows <- list()
add <- function(topic, case, name, value) for (i in seq_along(value))
  rows[[length(rows) + 1]] <<- data.frame(topic = topic, case = case, name = if (length(value) > 1) paste0(name, i) else name, value = sprintf("%.17g", as.numeric(value[i])))
save <- function(x, file) write.csv(x, file.path(out, file), row.names = FALSE, quote = FALSE)
data <- read.csv(file.path(here, "../roc/data.csv"))

# ---- power and sizes. Power of a two-sided test of m discordant pairs, summed over m and over the first model's count of them.
rejects <- function(m, alpha, method) { b <- 0:m; k <- pmin(b, m - b); switch(method,
  exact = pmin(1, 2 * pbinom(k, m, .5)) <= alpha + 1e-12,
  midp = ifelse(2 * b == m, 1 - dbinom(b, m, .5) / 2, 2 * pbinom(k, m, .5) - dbinom(k, m, .5)) <= alpha + 1e-12,
  asymptotic = pchisq((2 * b - m)^2 / m, 1, lower.tail = FALSE) <= alpha + 1e-12) }
region <- list()
power <- function(n, p10, p01, alpha, method) { psi <- p10 + p01; s <- 0
  for (m in 1:n) { key <- paste(m, alpha, method); if (is.null(region[[key]])) region[[key]] <<- which(rejects(m, alpha, method)) - 1
    if (length(region[[key]])) s <- s + dbinom(m, n, psi) * sum(dbinom(region[[key]], m, p10 / psi)) }
  s }
for (a in list(c(.3, .1, .8, .05), c(.2, .05, .9, .05))) {
  case <- paste(a, collapse = ";"); psi <- a[1] + a[2]; d <- a[1] - a[2]
  add("connor", case, "n", (qnorm(1 - a[4] / 2) * sqrt(psi) + qnorm(a[3]) * sqrt(psi - d^2))^2 / d^2)
  for (m in c("exact", "midp", "asymptotic")) { p <- sapply(1:150, power, a[1], a[2], a[4], m); short <- which(p < a[3])
    # The smallest n from which the power holds to the end of the range, which is far beyond the last tooth of the saw.
    add("mcnemar_sample_size", case, m, max(short) + 1) }
}
for (m in c("exact", "midp", "asymptotic")) {
  f <- function(d, n, psi) power(n, (psi + d) / 2, (psi - d) / 2, .05, m) - .8
  add("detectable_difference", "49;0.3", m, uniroot(f, c(1e-6, .3 - 1e-9), n = 49, psi = .3, tol = 1e-13)$root)
  add("detectable_difference", "120;0.15", m, uniroot(f, c(1e-6, .15 - 1e-9), n = 120, psi = .15, tol = 1e-13)$root)
}
# Non-inferiority: the restricted probabilities maximise the expected log likelihood under p10 - p01 = -margin, found numerically.
for (a in list(c(.1, .1, .1), c(.05, .08, .06), c(.15, .02, .05))) {   # margin, p10, p01; power .8, one-sided alpha .025
  d <- a[1]; ll <- function(q) a[2] * log(q - d) + a[3] * log(q) + (1 - a[2] - a[3]) * log(1 - 2 * q + d)
  q <- optimize(ll, c(d + 1e-12, (1 + d) / 2 - 1e-12), maximum = TRUE, tol = 1e-14)$maximum
  s0 <- sqrt(2 * q - d - d^2); s1 <- sqrt(a[2] + a[3] - (a[2] - a[3])^2)
  add("noninferiority_n", paste(a, collapse = ";"), "n", ceiling(((qnorm(.975) * s0 + qnorm(.8) * s1) / (a[2] - a[3] + d))^2))
}
v_ob <- function(A, n1, n0) { a <- sqrt(2) * qnorm(A); exp(-a^2 / 2) / (32 * pi) * ((5 * a^2 + 8) / n1 + (a^2 + 8) / n0) }
for (a in list(c(25, 24, .93, .86, .5), c(170, 161, .93, .9, .7))) {
  x <- v_ob(a[3], a[1], a[2]); y <- v_ob(a[4], a[1], a[2])
  add("auc_paired_power", paste(a, collapse = ";"), "power", pnorm((abs(a[4] - a[3]) - qnorm(.975) * sqrt(2 * x * (1 - a[5]))) / sqrt(x + y - 2 * a[5] * sqrt(x * y))))
}

# ---- DeLong's own example (ovarian cancer): pROC's areas, and the chi-square from its covariances
d <- read.csv(file.path(here, "ovarian.csv")); S <- list(10 - d$totscore, d$alb, d$tp)
R <- lapply(S, function(s) roc(d$popind, s, levels = c(0, 1), direction = "<", quiet = TRUE)); A <- sapply(R, auc)
V <- matrix(0, 3, 3); for (i in 1:3) for (j in 1:3) V[i, j] <- if (i == j) var(R[[i]], method = "delong") else cov(R[[i]], R[[j]], method = "delong")
L <- rbind(c(1, -1, 0), c(1, 0, -1)); q <- t(L %*% A) %*% solve(L %*% V %*% t(L)) %*% (L %*% A)
add("ovarian", "", "area", A); add("ovarian", "", "std_error", sqrt(diag(V))); add("ovarian", "", "chisq", q); add("ovarian", "", "pvalue", pchisq(q, 2, lower.tail = FALSE))

for (k in c("tied", "mixed", "fine")) {
  d <- data[data$set == k, ]; y <- d$y; n <- nrow(d)
  # ---- margins with pROC's standard error of the difference
  R <- lapply(d[c("b", "c")], function(s) roc(y, s, levels = c(0, 1), direction = "<", quiet = TRUE))
  e <- as.numeric(R$b$auc - R$c$auc); se <- sqrt(var(R$b, method = "delong") + var(R$c, method = "delong") - 2 * cov(R$b, R$c, method = "delong"))
  for (m in c(.02, .1)) { up <- pnorm((e + m) / se, lower.tail = FALSE); down <- pnorm((e - m) / se)
    add("margin", paste(k, m), "non_inferiority", up); add("margin", paste(k, m), "tost", max(up, down)) }
  # ---- ROC points
  p <- coords(R$b, "all", ret = c("sensitivity", "specificity"), transpose = FALSE); p <- p[order(-p$specificity, p$sensitivity), ]
  add("roc_points", k, "sensitivity", p$sensitivity); add("roc_points", k, "specificity", p$specificity)
  # ---- net benefit: the paired difference, and one model's error between patients
  for (t in c(.2, .5)) {
    term <- function(s) (s >= t) * ifelse(y == 1, 1, -t / (1 - t)); w <- term(d$b) - term(d$c); z <- mean(w) / (sd(w) / sqrt(n))
    add("net_benefit", paste(k, t), "estimate", mean(w)); add("net_benefit", paste(k, t), "std_error", sd(w) / sqrt(n)); add("net_benefit", paste(k, t), "pvalue", 2 * pnorm(-abs(z)))
    x <- term(d$b); g <- tapply(x - mean(x), d$patient, sum); G <- length(g); add("net_benefit", paste(k, t), "cluster_se", sqrt(G / (G - 1) * sum(g^2)) / n)
  }
  # ---- overlap of the errors
  w <- cbind(1 * ((d$b >= .5) != y), 1 * ((d$c >= .5) != y)); add("error_overlap", k, "kappa", suppressWarnings(cohen.kappa(w))$kappa); add("error_overlap", k, "double_fault", mean(w[, 1] * w[, 2]))
  # ---- Obuchowski-Rockette of accuracies: 2 models by 3 readers, covariances of proportions
  s <- cbind(d$a, d$b, (d$a + d$b) / 2, d$c, (d$a + d$c) / 2, (d$b + d$c) / 2); X <- 1 * ((s >= .5) == (y == 1)); th <- matrix(colMeans(X), 3); C <- cov(X) / n; J <- 3
  v <- c1 <- c2 <- c3 <- c3n <- c()
  for (p1 in 1:6) for (p2 in 1:6) { i <- (p1 - 1) %/% 3; kk <- (p2 - 1) %/% 3; j <- (p1 - 1) %% 3; l <- (p2 - 1) %% 3; x <- C[p1, p2]
    if (p1 == p2) v <- c(v, x) else if (j == l) c1 <- c(c1, x) else if (i == kk) c2 <- c(c2, x) else c3 <- c(c3, x)
    if (i != kk) c3n <- c(c3n, x) }
  a2 <- anova(lm(as.vector(th) ~ factor(rep(1:2, each = 3)) + factor(rep(1:3, 2)))); mstr <- a2[["Mean Sq"]][3]
  msrt <- sum((sweep(th, 2, colMeans(th)))^2) / (2 * (J - 1)); e <- mean(th[, 1]) - mean(th[, 2])
  or <- function(design, den, df) { s <- sqrt(2 / J * den); add("or_accuracy", paste(k, design), "statistic", e / s); add("or_accuracy", paste(k, design), "pvalue", if (is.finite(df)) 2 * pt(-abs(e / s), df) else 2 * pnorm(-abs(e / s)))
    if (is.finite(df)) add("or_accuracy", paste(k, design), "parameter", df) }
  x <- mstr + J * max(mean(c2) - mean(c3), 0); or("crossed", x, x^2 / (mstr^2 / (J - 1)))
  x <- msrt + J * max(mean(c2) - mean(c3n), 0); or("nested", x, x^2 / (msrt^2 / (2 * (J - 1))))
  or("fixed", mean(v) - mean(c1) + (J - 1) * max(mean(c2) - mean(c3), 0), Inf)
}
# A corrected resampled t-test in the words of the paper, for several numbers of splits
for (J in c(2, 5, 15)) { d <- round(rnorm(J, .02, .03), 3); add("nadeau_bengio", J, "d", d); v <- var(d); t <- mean(d) / sqrt((1 / J + 50 / 232) * v)
  add("nadeau_bengio", J, "t", t); add("nadeau_bengio", J, "p", 2 * pt(abs(t), J - 1, lower.tail = FALSE)) }

# ---- agreement: percent agreement of more than two readers, limits of MDC95 and of the SEM of consistency
for (case in c("d", "e")) { x <- read.csv(file.path(here, paste0("../agreement/called_", case, ".csv"))); x <- x[rowSums(!is.na(x)) >= 2, ]
  share <- apply(x, 1, function(r) { r <- r[!is.na(r)]; pr <- combn(length(r), 2); mean(r[pr[1, ]] == r[pr[2, ]]) })
  n <- length(share); p <- mean(share); v <- mean((share - p)^2) / n; m <- rowSums(!is.na(x)); ne <- min(p * (1 - p) / v, sum(choose(m, 2)))
  z <- qnorm(.975); add("percent_agreement", case, "limit", (p + z^2 / 2 / ne + c(-1, 1) * z * sqrt(p * (1 - p) / ne + z^2 / 4 / ne^2)) / (1 + z^2 / ne)) }
for (case in c("a", "b")) { x <- as.matrix(read.csv(file.path(here, paste0("../agreement/measured_", case, ".csv")))); n <- nrow(x); k <- ncol(x)
  ms <- summary(aov(c(x) ~ factor(rep(1:n, k)) + factor(rep(1:k, each = n))))[[1]][["Mean Sq"]][3]; df <- (n - 1) * (k - 1)
  add("mdc95", case, "consistency", 1.96 * sqrt(2) * sqrt(ms)); add("mdc95", case, "limit", 1.96 * sqrt(2) * sqrt(df * ms / qchisq(c(.975, .025), df))) }

# ---- max-T and the share of resamples in which a model is best, from joint replicates of three accuracies (stored)
d <- data[data$set == "mixed", ]; X <- sapply(d[c("a", "b", "c")], function(s) 1 * ((s >= .5) == (d$y == 1))); n <- nrow(X)
B <- 399; T <- t(replicate(B, colMeans(X[sample(n, n, TRUE), ]))); save(as.data.frame(lapply(as.data.frame(T), function(v) sprintf("%.17g", v))), "joint_replicates.csv")
o <- colMeans(X); add("joint", "", "observed", o); pairs <- rbind(c(1, 2), c(1, 3), c(2, 3))
dd <- o[pairs[, 1]] - o[pairs[, 2]]; D <- T[, pairs[, 1]] - T[, pairs[, 2]]; s <- apply(D, 2, sd)
M <- apply(abs(sweep(D, 2, dd)) / rep(s, each = B), 1, max); t <- abs(dd) / s
add("max_t", "", "pvalue", sapply(t, function(x) (1 + sum(M >= x - 1e-12)) / (B + 1))); h <- quantile(M, .95, type = 7) * s
add("max_t", "", "conf_low", dd - h); add("max_t", "", "conf_high", dd + h)
best <- apply(T, 1, function(r) { w <- abs(r - max(r)) < 1e-12; w / sum(w) }); add("prob_best", "", "share", rowMeans(best))
save(do.call(rbind, rows), "further_expected.csv")
