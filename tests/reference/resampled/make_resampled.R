# usage: Rscript make_resampled.R OUTDIR          (R with boot; reads ../roc/data.csv beside it; about two minutes)
# Bootstrap and permutation limits from R's own draws, with their Monte Carlo errors: hybridcx, which draws otherwise, must agree within four
# of the two errors together. Quantiles of type 7; BCa after Efron (1987) with ties counted half in z0 and the jackknife of what is drawn.
# The Monte Carlo error of a limit is its standard deviation over 200 resamples of the replicates; `step` is the distance of the replicates'
# neighbouring values at the limit, by which a discrete statistic can differ; `beyond` counts the replicates outside the limit (a limit that is
# the smallest replicate, as BCa's for a biased statistic, has no Monte Carlo error that resampling could show).
suppressMessages(library(boot))
args <- commandArgs(FALSE); here <- dirname(normalizePath(sub("--file=", "", args[grep("--file=", args)]))); out <- commandArgs(TRUE)[1]
set.seed(331); B <- 4000; rows <- list()
add <- function(design, metric, method, side, value, error, step, beyond = NA) rows[[length(rows) + 1]] <<- data.frame(design = design, metric = metric, method = method, side = side,
  value = sprintf("%.10g", value), mc_error = sprintf("%.4g", error), step = sprintf("%.4g", step), beyond = beyond)
metrics <- function(y, s) {
  p <- s >= .5; tp <- sum(p & y == 1); fn <- sum(!p & y == 1); fp <- sum(p & y == 0); tn <- sum(!p & y == 0); se <- tp / (tp + fn); sp <- tn / (tn + fp); n <- length(y)
  r <- rank(s); m <- tp + fn; auc <- (sum(r[y == 1]) - m * (m + 1) / 2) / (m * (n - m))
  o <- order(-s); yo <- y[o]; last <- c(diff(-s[o]) != 0, TRUE); rec <- (cumsum(yo) / m)[last]; prec <- (cumsum(yo) / seq_len(n))[last]; ap <- sum(diff(c(0, rec)) * prec)
  bin <- pmin(pmax(ceiling(s * 10 - 1e-9), 1), 10); lp <- qlogis(s)
  w <- options(warn = -1); on.exit(options(w))
  slope <- glm.fit(cbind(1, lp), y, family = binomial())$coefficients[2]; int <- glm.fit(rep(1, n), y, family = binomial(), offset = lp)$coefficients[1]
  c(accuracy = (tp + tn) / n, sensitivity = se, specificity = sp, ppv = tp / (tp + fp), npv = tn / (tn + fn), f1 = 2 * tp / (2 * tp + fp + fn), balanced_accuracy = (se + sp) / 2,
    mcc = cor(1 * p, y), youden_j = se + sp - 1, lr_positive = se / (1 - sp), lr_negative = (1 - se) / sp, diagnostic_odds_ratio = tp * tn / (fp * fn), auroc = auc, auprc = ap,
    brier = mean((s - y)^2), log_loss = -mean(ifelse(y == 1, log(s), log(1 - s))), calibration_slope = unname(slope), calibration_intercept = unname(int),
    ece = sum(abs(tapply(s, bin, sum) - tapply(y, bin, sum))) / n, net_benefit = tp / n - fp / n)
}
both <- function(d, i) { u <- metrics(d$y[i], d$a[i]); v <- metrics(d$y[i], d$b[i]); w <- u - v; r <- c("lr_positive", "lr_negative"); w[r] <- log(u[r]) - log(v[r]); c(u, w) }
limits <- function(t, t0, jack, method) { a <- c(.025, .975)
  if (method == "basic") return(2 * t0 - rev(quantile(t, a, type = 7, names = FALSE)))
  if (method == "bca") { e <- 1e-10; z0 <- qnorm(mean(t < t0 - e) + mean(abs(t - t0) <= e) / 2); l <- mean(jack) - jack; acc <- sum(l^3) / (6 * sum(l^2)^1.5); z <- qnorm(a); a <- pnorm(z0 + (z0 + z) / (1 - acc * (z0 + z))) }
  quantile(t, a, type = 7, names = FALSE) }
record <- function(design, name, t, t0, jack, methods = c("percentile", "basic", "bca")) {
  t <- t[is.finite(t)]; u <- sort(unique(round(t, 10)))
  for (m in methods) { l <- limits(t, t0, jack, m); again <- replicate(200, limits(sample(t, length(t), TRUE), t0, jack, m))
    for (s in 1:2) { at <- if (m == "basic") 2 * t0 - l[s] else l[s]; near <- u[order(abs(u - at))[1:3]]
      add(design, name, m, c("low", "high")[s], l[s], sd(again[s, ]), diff(range(near)), min(sum(t < at - 1e-10), sum(t > at + 1e-10))) } } }
d <- read.csv(file.path(here, "../roc/data.csv")); d <- d[d$set == "mixed", ]; n <- nrow(d); first <- 1:20
names_of <- function(b) c(names(b$t0)[first], paste0(names(b$t0)[first], " difference"))
all_of <- function(design, b, jack, methods) for (k in 1:40) record(design, names_of(b)[k], b$t[, k], b$t0[k], jack[, k], if (k > 20) setdiff(methods, "basic") else methods)

b <- boot(d, both, B); jack <- t(sapply(1:n, function(i) both(d, (1:n)[-i]))); all_of("cases", b, jack, c("percentile", "basic", "bca"))
b <- boot(d, both, 2000, strata = d$y); all_of("stratified", b, jack, "percentile")
# Patients are drawn whole; the jackknife leaves out patients.
members <- split(1:n, d$patient); K <- length(members); of <- function(k, j) both(d, unlist(members[j]))
b <- boot(1:K, of, B); jack <- t(sapply(1:K, function(i) both(d, unlist(members[-i])))); all_of("patients", b, jack, c("percentile", "bca"))

# Seeds and cases crossed: two models with five seeds each (scores stored), accuracy and AUROC of the mean over seeds
S <- 5; X <- sapply(1:(2 * S), function(k) pmin(pmax(round(plogis(qlogis(if (k <= S) d$a else d$c) + rnorm(1, 0, .5) + rnorm(n, 0, .6)), 4), .001), .999)); colnames(X) <- paste0("s", 1:(2 * S))
write.csv(data.frame(y = d$y, X), file.path(out, "seeds.csv"), row.names = FALSE, quote = FALSE)
auc <- function(y, s) { r <- rank(s); m <- sum(y); (sum(r[y == 1]) - m * (m + 1) / 2) / (m * (length(y) - m)) }
one <- function(i, w) { y <- d$y[i]; f <- list(accuracy = function(s) mean((s >= .5) == y), auroc = function(s) auc(y, s))
  unlist(lapply(f, function(g) { v <- apply(X[i, ], 2, g); m <- c(mean(v[1:S][w]), mean(v[S + 1:S][w])); c(m[1], m[1] - m[2]) })) }
h <- t(replicate(B, one(sample(n, n, TRUE), sample(S, S, TRUE)))); t0 <- one(1:n, 1:S); nm <- c("accuracy", "accuracy difference", "auroc", "auroc difference")
for (k in 1:4) record("seeds", nm[k], h[, k], t0[k], NULL, "percentile")

# Permutation tests: labels swapped within cases (ranks within model for the AUROC), p with its binomial error
ra <- rank(d$b); rb <- rank(d$c); N <- 20000; obs <- auc(d$y, ra) - auc(d$y, rb)
hit <- sum(replicate(N, { w <- runif(n) < .5; abs(auc(d$y, ifelse(w, rb, ra)) - auc(d$y, ifelse(w, ra, rb))) }) >= abs(obs) - 1e-12); p <- (hit + 1) / (N + 1)
add("permutation", "auroc difference", "b-c", "p", p, sqrt(p * (1 - p) / N), 0)
p <- binom.test(37, 60)$p.value; add("permutation", "accuracy difference", "37 and 23", "p", p, sqrt(p * (1 - p) / N), 0)

# Krippendorff's alpha: percentile limits over cases
x <- as.matrix(read.csv(file.path(here, "../agreement/called_e.csv"))); x <- x[rowSums(!is.na(x)) >= 2, ]; q <- max(x, na.rm = TRUE); cnt <- t(apply(x, 1, function(r) tabulate(r[!is.na(r)], q)))
alpha <- function(cn, level) { m <- rowSums(cn); o <- matrix(0, q, q); for (i in seq_len(nrow(cn))) o <- o + (outer(cn[i, ], cn[i, ]) - diag(cn[i, ])) / (m[i] - 1)
  nc <- rowSums(o); D <- outer(1:q, 1:q, Vectorize(function(i, j) switch(level, nominal = 1 * (i != j), interval = (i - j)^2, ordinal = (sum(nc[min(i, j):max(i, j)]) - (nc[i] + nc[j]) / 2)^2)))
  1 - (sum(nc) - 1) * sum(o * D) / sum(outer(nc, nc) * D) }
for (level in c("nominal", "ordinal", "interval")) { b <- boot(cnt, function(z, i) alpha(z[i, ], level), 2000); record("alpha", level, b$t[, 1], b$t0, NULL, "percentile") }
write.csv(do.call(rbind, rows), file.path(out, "resampled_expected.csv"), row.names = FALSE, quote = FALSE)
