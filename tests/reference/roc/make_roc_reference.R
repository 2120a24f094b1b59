# Reference values for ROC curves, calibration, clusters and bootstrap intervals. Run here: Rscript make_roc_reference.R
# pROC gives DeLong; what no package here has is written in base R from the papers' formulas, in the plainest form (double loops),
# independently of the Python code. Debian R 4.2, pROC, boot.
suppressMessages({library(pROC); library(boot)})
args <- commandArgs(FALSE); here <- dirname(sub("--file=", "", args[grep("--file=", args)])); setwd(here)
set.seed(20260101)
rows <- list()
add <- function(set, quantity, model, name, value)
  rows[[length(rows) + 1]] <<- data.frame(set=set, quantity=quantity, model=model, name=name, value=sprintf("%.17g", value))

# ---- data: truth, patient, three scores; ties in the first two sets, set "perfect" has an AUROC of 1 in a
make <- function(n, digits, clusters, shift) {
  y <- c(0, 1, rbinom(n - 2, 1, .45)); g <- sample(seq_len(clusters), n, TRUE); u <- rnorm(clusters)[g]
  s <- sapply(1:3, function(j) pmin(pmax(round(plogis(shift * (2 * y - 1) + .7 * u + rnorm(n)), digits), .01), .99))
  data.frame(y=y, patient=g, a=s[, 1], b=s[, 2], c=s[, 3])
}
sets <- list(tied=make(60, 1, 25, .6), mixed=make(150, 2, 60, .9), fine=make(97, 6, 97, .4))
perfect <- make(49, 3, 30, .5); perfect$a <- ifelse(perfect$y == 1, .8, .2); sets$perfect <- perfect
single <- sets$fine; single$patient <- seq_len(nrow(single)); sets$single <- single
data <- do.call(rbind, lapply(names(sets), function(k) cbind(set=k, case=seq_len(nrow(sets[[k]])), sets[[k]])))
write.csv(data, "data.csv", row.names=FALSE, quote=FALSE)

psi <- function(x, y) (x > y) + .5 * (x == y)
newcombe <- function(theta, m, n, conf=.95) {  # Newcombe 2006 part 2, method 5, by bisection on the score equation
  z <- qnorm(1 - (1 - conf) / 2); N <- (m + n) / 2
  v <- function(t) t * (1 - t) * (1 + (N - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
  f <- function(t) abs(theta - t) - z * sqrt(v(t))
  lo <- if (theta == 0) 0 else uniroot(f, c(1e-12, theta - 1e-9), tol=1e-14)$root
  hi <- if (theta == 1) 1 else uniroot(f, c(theta + 1e-9, 1 - 1e-12), tol=1e-14)$root
  c(lo, hi)
}
class_df <- function(y, g) {  # effective number of patients (Kish) of the smaller class, less 1
  kish <- function(g) sum(table(g))^2 / sum(table(g)^2)
  max(min(kish(g[y == 1]), kish(g[y == 0])) - 1, 1)
}
cluster_cov <- function(y, s, t, g) {  # Obuchowski 1997
  comp <- function(x) {
    X <- x[y == 1]; Y <- x[y == 0]
    list(V10=sapply(X, function(v) mean(psi(v, Y))), V01=sapply(Y, function(v) mean(psi(X, v))))
  }
  P <- comp(s); Q <- comp(t); A <- mean(P$V10); B <- mean(Q$V10); gp <- g[y == 1]; gn <- g[y == 0]
  m <- length(gp); n <- length(gn); I <- unique(g); I10 <- length(unique(gp)); I01 <- length(unique(gn))
  s10 <- 0; s01 <- 0; s11 <- 0; s11b <- 0
  for (i in I) {
    mi <- sum(gp == i); ni <- sum(gn == i)
    pa <- sum(P$V10[gp == i]) - mi * A; pb <- sum(Q$V10[gp == i]) - mi * B
    na <- sum(P$V01[gn == i]) - ni * A; nb <- sum(Q$V01[gn == i]) - ni * B
    s10 <- s10 + pa * pb; s01 <- s01 + na * nb; s11 <- s11 + pa * nb; s11b <- s11b + pb * na
  }
  k <- length(I)
  s10 * I10 / ((I10 - 1) * m) / m + s01 * I01 / ((I01 - 1) * n) / n + (s11 + s11b) * k / (k - 1) / (m * n)
}
ap <- function(y, s) { total <- 0; before <- 0
  for (t in sort(unique(s), decreasing=TRUE)) { rec <- sum(y == 1 & s >= t) / sum(y); total <- total + (rec - before) * mean(y[s >= t]); before <- rec }
  total }
for (k in names(sets)) {
  d <- sets[[k]]; y <- d$y; m <- sum(y); n <- sum(1 - y)
  R <- lapply(c(a="a", b="b", c="c"), function(j) roc(y, d[[j]], levels=c(0, 1), direction="<", quiet=TRUE))
  for (j in c("a", "b", "c")) {
    s <- d[[j]]; A <- as.numeric(auc(R[[j]])); ci <- suppressWarnings(ci.auc(R[[j]], method="delong"))
    add(k, "delong", j, "estimate", A); add(k, "delong", j, "conf_low", ci[1]); add(k, "delong", j, "conf_high", ci[3])
    v <- suppressWarnings(var(R[[j]], method="delong"))
    if (A < 1) { h <- qnorm(.975) * sqrt(v) / (A * (1 - A)); add(k, "delong_logit", j, "conf_low", plogis(qlogis(A) - h)); add(k, "delong_logit", j, "conf_high", plogis(qlogis(A) + h)) }
    for (conf in c(.95, .9)) { nc <- newcombe(A, m, n, conf); add(k, paste0("newcombe_auc@", conf), j, "conf_low", nc[1]); add(k, paste0("newcombe_auc@", conf), j, "conf_high", nc[2]) }
    add(k, "auprc", j, "estimate", ap(y, s))
    add(k, "brier", j, "estimate", mean((s - y)^2)); add(k, "log_loss", j, "estimate", -mean(ifelse(y == 1, log(s), log(1 - s))))
    o <- tapply(y, s, mean); w <- tapply(y, s, length) / length(y); u <- as.numeric(names(o))
    add(k, "brier_parts", j, "reliability", sum(w * (u - o)^2)); add(k, "brier_parts", j, "resolution", sum(w * (o - mean(y))^2)); add(k, "brier_parts", j, "uncertainty", mean(y) * (1 - mean(y)))
    bin <- cut(s, seq(0, 1, .1), include.lowest=TRUE, right=TRUE)
    add(k, "ece", j, "estimate", sum(abs(tapply(s, bin, mean) - tapply(y, bin, mean)) * tapply(y, bin, length), na.rm=TRUE) / length(y))
    for (b in levels(bin)) if (any(bin == b)) { x <- sum(y[bin == b]); nb <- sum(bin == b); w <- suppressWarnings(prop.test(x, nb, correct=FALSE))$conf.int
      i <- which(levels(bin) == b); add(k, paste0("bin", i), j, "score_mean", mean(s[bin == b])); add(k, paste0("bin", i), j, "fraction", x / nb); add(k, paste0("bin", i), j, "conf_low", w[1]); add(k, paste0("bin", i), j, "conf_high", w[2]) }
    lp <- qlogis(s); ctl <- glm.control(epsilon=1e-14, maxit=100)
    if (A < 1) { g <- glm(y ~ lp, family=binomial, control=ctl); ci <- confint.default(g); add(k, "slope", j, "estimate", coef(g)[2]); add(k, "slope", j, "conf_low", ci[2, 1]); add(k, "slope", j, "conf_high", ci[2, 2])
      add(k, "line_intercept", j, "estimate", coef(g)[1]); add(k, "line_intercept", j, "conf_low", ci[1, 1]); add(k, "line_intercept", j, "conf_high", ci[1, 2])
      add(k, "line_intercept", j, "std_error", sqrt(vcov(g)[1, 1])) }
    g <- glm(y ~ offset(lp), family=binomial, control=ctl); ci <- confint.default(g); add(k, "intercept", j, "estimate", coef(g)[1]); add(k, "intercept", j, "conf_low", ci[1]); add(k, "intercept", j, "conf_high", ci[2])
    for (t in c(.1, .5, .75)) { nb <- mean(y == 1 & s >= t) - mean(y == 0 & s >= t) * t / (1 - t); add(k, paste0("net_benefit@", t), j, "estimate", nb)
      term <- (s >= t) * ifelse(y == 1, 1, -t / (1 - t)); add(k, paste0("net_benefit@", t), j, "conf_low", nb - qnorm(.975) * sd(term) / sqrt(length(y))) }
    sc <- sqrt(cluster_cov(y, s, s, d$patient)); add(k, "delong_cluster", j, "std_error", sc)
    if (A > 0 && A < 1) for (e in c(-1, 1)) add(k, "delong_cluster", j, c("conf_low", "conf_high")[(e + 3) / 2], plogis(qlogis(A) + e * qt(.975, class_df(y, d$patient)) * sc / (A * (1 - A))))
  }
  rt <- roc.test(R$b, R$c, method="delong", paired=TRUE)
  add(k, "delong_paired", "b-c", "statistic", rt$statistic); add(k, "delong_paired", "b-c", "pvalue", rt$p.value); add(k, "delong_paired", "b-c", "conf_low", rt$conf.int[1]); add(k, "delong_paired", "b-c", "conf_high", rt$conf.int[2])
  S <- matrix(0, 3, 3); for (i in 1:3) for (j in 1:3) S[i, j] <- if (i == j) suppressWarnings(var(R[[i]], method="delong")) else suppressWarnings(cov(R[[i]], R[[j]], method="delong"))
  L <- rbind(c(1, -1, 0), c(0, 1, -1)); e <- L %*% sapply(R, auc); q <- t(e) %*% solve(L %*% S %*% t(L)) %*% e
  add(k, "delong_chisq", "all", "statistic", q); add(k, "delong_chisq", "all", "pvalue", pchisq(q, 2, lower.tail=FALSE))
  vd <- cluster_cov(y, d$b, d$b, d$patient) + cluster_cov(y, d$c, d$c, d$patient) - 2 * cluster_cov(y, d$b, d$c, d$patient)
  z <- (auc(R$b) - auc(R$c)) / sqrt(vd); add(k, "delong_cluster", "b-c", "statistic", z); 
  df <- class_df(y, d$patient)
  add(k, "delong_cluster", "b-c", "parameter", df); add(k, "delong_cluster", "b-c", "pvalue", 2 * pt(-abs(z), df))
  add(k, "delong_cluster", "b-c", "conf_low", auc(R$b) - auc(R$c) - qt(.975, df) * sqrt(vd))
}

# ---- exact permutation test of AUROCs by brute force: every swap ranked again
p <- sets$tied[c(3:8, 20:24), ]; y <- p$y; ra <- rank(p$a); rb <- rank(p$b)
A <- function(x) mean(outer(x[y == 1], x[y == 0], psi)); obs <- abs(A(ra) - A(rb)); hits <- 0; nn <- length(y)
for (code in 0:(2^nn - 1)) { w <- bitwAnd(code, 2^(0:(nn - 1))) > 0; hits <- hits + (abs(A(ifelse(w, rb, ra)) - A(ifelse(w, ra, rb))) >= obs - 1e-12) }
add("tied", "permutation", "a-b", "pvalue", hits / 2^nn); add("tied", "permutation", "a-b", "estimate", A(ra) - A(rb))

# ---- bootstrap intervals from R's own replicates
d <- sets$mixed; R <- 1999
for (stat in c("accuracy", "auroc", "difference")) {
  f <- switch(stat, accuracy=function(d, i) mean((d$a[i] >= .5) == d$y[i]), auroc=function(d, i) { y <- d$y[i]; x <- rank(d$a[i]); (sum(x[y == 1]) - sum(y) * (sum(y) + 1) / 2) / (sum(y) * sum(1 - y)) },
    difference=function(d, i) mean((d$a[i] >= .5) == d$y[i]) - mean((d$b[i] >= .5) == d$y[i]))
  bt <- boot(d, f, R); t0 <- bt$t0; t <- bt$t[, 1]; nd <- nrow(d)
  jack <- sapply(seq_len(nd), function(i) f(d, setdiff(seq_len(nd), i)))
  write.csv(data.frame(t=sprintf("%.17g", t)), paste0("replicates_", stat, ".csv"), row.names=FALSE, quote=FALSE)
  write.csv(data.frame(jack=sprintf("%.17g", jack)), paste0("jackknife_", stat, ".csv"), row.names=FALSE, quote=FALSE)
  eps <- 1e-12; z0 <- qnorm((sum(t < t0 - eps) + sum(abs(t - t0) <= eps) / 2) / R); l <- mean(jack) - jack; acc <- sum(l^3) / (6 * sum(l^2)^1.5)
  zz <- qnorm(c(.025, .975)); pb <- pnorm(z0 + (z0 + zz) / (1 - acc * (z0 + zz)))
  q <- quantile(t, c(.025, .975), type=7); b <- quantile(t, pb, type=7)
  add("mixed", "boot", stat, "observed", t0); add("mixed", "boot", stat, "percentile_low", q[1]); add("mixed", "boot", stat, "percentile_high", q[2])
  add("mixed", "boot", stat, "basic_low", 2 * t0 - q[2]); add("mixed", "boot", stat, "basic_high", 2 * t0 - q[1]); add("mixed", "boot", stat, "bca_low", b[1]); add("mixed", "boot", stat, "bca_high", b[2])
  add("mixed", "boot", stat, "std_error", sd(t))
  bc <- boot.ci(bt, type=c("perc", "basic", "bca")) # the package's own interpolation: equal to the resolution of the replicates
  add("mixed", "boot.ci", stat, "percentile_low", bc$percent[4]); add("mixed", "boot.ci", stat, "percentile_high", bc$percent[5]); add("mixed", "boot.ci", stat, "basic_low", bc$basic[4]); add("mixed", "boot.ci", stat, "basic_high", bc$basic[5]); add("mixed", "boot.ci", stat, "bca_low", bc$bca[4]); add("mixed", "boot.ci", stat, "bca_high", bc$bca[5])
  o <- sort(t); mj <- function(p) { r <- p * (R - 1) + 1; w <- pbeta((1:R) / R, r, R + 1 - r) - pbeta((0:(R - 1)) / R, r, R + 1 - r); sqrt(sum(w * o^2) - sum(w * o)^2) }
  add("mixed", "monte_carlo", stat, "percentile_low", mj(.025)); add("mixed", "monte_carlo", stat, "percentile_high", mj(.975))
  add("mixed", "boot_se", stat, "accuracy_se", sd(t))
}

# ---- variance components of a cases x seeds table by aov, and Nadeau-Bengio
x <- outer(rnorm(12), rep(1, 5)) + outer(rep(1, 12), rnorm(5, 0, .5)) + matrix(rnorm(60, 0, .7), 12)
write.csv(data.frame(round(x, 6)), "two_way.csv", row.names=FALSE, quote=FALSE); x <- round(x, 6)
long <- data.frame(v=as.vector(x), case=factor(rep(1:12, 5)), seed=factor(rep(1:5, each=12))); ms <- summary(aov(v ~ case + seed, long))[[1]][["Mean Sq"]]
add("two_way", "components", "", "case", (ms[1] - ms[3]) / 5); add("two_way", "components", "", "seed", (ms[2] - ms[3]) / 12); add("two_way", "components", "", "residual", ms[3])
dd <- c(.03, .05, -.01, .04, .02, .06, .01); J <- 7; se <- sqrt((1 / J + 49 / 282) * var(dd)); tt <- mean(dd) / se
add("nadeau", "nadeau_bengio", "", "statistic", tt); add("nadeau", "nadeau_bengio", "", "pvalue", 2 * pt(-abs(tt), J - 1)); add("nadeau", "nadeau_bengio", "", "conf_low", mean(dd) - qt(.975, J - 1) * se)

# ---- Obuchowski-Rockette, two models by three readers, from the formulas, with pROC's covariances
d <- sets$mixed; y <- d$y; S <- list(list(d$a, d$b, (d$a + d$b) / 2), list(d$c, (d$a + d$c) / 2, (d$b + d$c) / 2)); J <- 3
RR <- lapply(S, lapply, function(s) roc(y, s, levels=c(0, 1), direction="<", quiet=TRUE)); th <- sapply(RR, sapply, auc) # J x 2
cv <- function(i, j, k, l) if (i == k && j == l) var(RR[[i]][[j]], method="delong") else cov(RR[[i]][[j]], RR[[k]][[l]], method="delong")
v <- c1 <- c2 <- c3 <- c3n <- c()
for (i in 1:2) for (j in 1:J) for (k in 1:2) for (l in 1:J) { x <- cv(i, j, k, l)
  if (i == k && j == l) v <- c(v, x) else if (j == l) c1 <- c(c1, x) else if (i == k) c2 <- c(c2, x) else c3 <- c(c3, x)
  if (i != k) c3n <- c(c3n, x) }
mstr <- 0; msrt <- 0
for (i in 1:2) for (j in 1:J) { mstr <- mstr + (th[j, i] - mean(th[, i]) - mean(th[j, ]) + mean(th))^2 / (J - 1); msrt <- msrt + (th[j, i] - mean(th[, i]))^2 / (2 * (J - 1)) }
e <- mean(th[, 1]) - mean(th[, 2])
or <- function(name, den, df) { se <- sqrt(2 / J * den); q <- if (is.finite(df)) qt(.975, df) else qnorm(.975)
  add("mixed", "obuchowski_rockette", name, "estimate", e); add("mixed", "obuchowski_rockette", name, "statistic", e / se)
  if (is.finite(df)) add("mixed", "obuchowski_rockette", name, "parameter", df)
  add("mixed", "obuchowski_rockette", name, "conf_low", e - q * se); add("mixed", "obuchowski_rockette", name, "pvalue", if (is.finite(df)) 2 * pt(-abs(e / se), df) else 2 * pnorm(-abs(e / se))) }
x <- mstr + J * max(mean(c2) - mean(c3), 0); or("crossed", x, x^2 / (mstr^2 / (J - 1)))
x <- msrt + J * max(mean(c2) - mean(c3n), 0); or("nested", x, x^2 / (msrt^2 / (2 * (J - 1))))
or("fixed", mean(v) - mean(c1) + (J - 1) * max(mean(c2) - mean(c3), 0), Inf)
write.csv(do.call(rbind, rows), "expected.csv", row.names=FALSE, quote=FALSE)
