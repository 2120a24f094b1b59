# Reference values for tests/stats/test_power.py, base R from the papers' formulas; power by summing the trinomial cell by cell.
# usage: Rscript make_power.R OUTDIR     (writes power_expected.csv)
out <- commandArgs(TRUE)[1]
rows <- list()
add <- function(f, arguments, method, value) rows[[length(rows) + 1]] <<- data.frame(f = f, arguments = arguments, method = method, value = sprintf("%.15g", value))
trinomial <- function(n, p10, p01, reject) {
  s <- 0
  for (b in 0:n) for (c in 0:(n - b)) if (reject(b, c)) s <- s + exp(lgamma(n + 1) - lgamma(b + 1) - lgamma(c + 1) - lgamma(n - b - c + 1)) * p10^b * p01^c * (1 - p10 - p01)^(n - b - c)
  s
}
p_mcnemar <- function(b, c, method) {
  m <- b + c; if (m == 0) return(1)
  switch(method,
    exact = binom.test(b, m)$p.value,
    midp = if (b == c) 1 - dbinom(b, m, .5) / 2 else 2 * pbinom(min(b, c), m, .5) - dbinom(min(b, c), m, .5),
    asymptotic = pchisq((b - c)^2 / m, 1, lower.tail = FALSE))
}
for (a in list(c(49, .2, .05, .05), c(40, .15, .15, .05), c(60, .3, .1, .01))) for (m in c("exact", "midp", "asymptotic"))
  add("mcnemar_power", paste(a, collapse = ";"), m, trinomial(a[1], a[2], a[3], function(b, c) p_mcnemar(b, c, m) <= a[4] + 1e-12))
# Tango's score: the restricted likelihood is maximised numerically, not by his quadratic
tango <- function(b, c, n, d) {
  ll <- function(q) (if (b > 0) b * log(q - d) else 0) + (if (c > 0) c * log(q) else 0) + (if (n > b + c) (n - b - c) * log(1 - 2 * q + d) else 0)
  q <- optimize(ll, c(d, (1 + d) / 2), maximum = TRUE, tol = 1e-12)$maximum
  (b - c + n * d) / sqrt(n * (2 * q - d - d^2))
}
for (a in list(c(40, .1, .1, .1, .025), c(30, .2, .05, .05, .1), c(35, .05, .15, .1, .05)))   # n, margin, p10, p01, alpha
  add("noninferiority_paired_power", paste(a, collapse = ";"), "", trinomial(a[1], a[3], a[4], function(b, c) tango(b, c, a[1], a[2]) >= qnorm(1 - a[5])))
hw <- function(n, p, method) if (method == "wilson") { z <- qnorm(.975); z * sqrt(p * (1 - p) / n + z^2 / 4 / n^2) / (1 + z^2 / n) } else {
  x <- p * n; ((if (x < n) qbeta(.975, x + 1, n - x) else 1) - (if (x > 0) qbeta(.025, x, n - x + 1) else 0)) / 2 }
for (a in list(c(.9, .05), c(.5, .1), c(1, .03), c(0, .02), c(.94, .025))) for (m in c("wilson", "clopper_pearson")) {
  n <- 1; while (hw(n, a[1], m) > a[2]) n <- n + 1
  add("proportion_halfwidth_n", paste(a, collapse = ";"), m, n)
}
v_hm <- function(A, n1, n0) { q1 <- A / (2 - A); q2 <- 2 * A^2 / (1 + A); (A * (1 - A) + (n1 - 1) * (q1 - A^2) + (n0 - 1) * (q2 - A^2)) / (n1 * n0) }
v_ob <- function(A, n1, n0) { a <- sqrt(2) * qnorm(A); exp(-a^2 / 2) / 32 / pi * ((5 * a^2 + 8) + (a^2 + 8) / (n0 / n1)) / n1 }
for (m in c("hanley_mcneil", "obuchowski")) { v <- if (m == "obuchowski") v_ob else v_hm
  for (a in list(c(.85, .9, .5, 1, .8, .05), c(.75, .9, 0, 2, .9, .05), c(.93, .9, .6, .5, .8, .01))) {   # auc1, auc2, r, ratio, power, alpha
    n1 <- 2; repeat { n0 <- ceiling(n1 * a[4]); x <- v(a[1], n1, n0); y <- v(a[2], n1, n0)
      need <- qnorm(1 - a[6] / 2) * sqrt(2 * x * (1 - a[3])) + qnorm(a[5]) * sqrt(x + y - 2 * a[3] * sqrt(x * y)); if (need <= abs(a[2] - a[1])) break; n1 <- n1 + 1 }
    add("auc_paired_n", paste(a, collapse = ";"), m, n1 + n0)
  } }
write.csv(do.call(rbind, rows), file.path(out, "power_expected.csv"), row.names = FALSE, quote = FALSE)
