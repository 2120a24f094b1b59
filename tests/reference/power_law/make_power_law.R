# Reference values for tests/stats/test_power_law.py: R's nls(), algorithm "port" (bounded least squares), from several starts, the best kept.
# usage: Rscript make_power_law.R OUTDIR     (writes power_law_data.csv and power_law_expected.csv)
out <- commandArgs(TRUE)[1]
set.seed(20261125)
law <- function(n, a, b, c) a - b * n^(-c)
sets <- list(
  exact = list(n = c(58, 116, 174, 232), y = law(c(58, 116, 174, 232), .9, 2, .6)),
  exact_falling = list(n = c(50, 100, 200, 400, 800), y = 2 * c(50, 100, 200, 400, 800)^(-.35) + .12, falling = TRUE),
  noisy_1 = list(n = c(50, 100, 200, 400, 800, 1600), y = law(c(50, 100, 200, 400, 800, 1600), .93, 1.5, .5) + rnorm(6, 0, .004)),
  noisy_2 = list(n = c(40, 80, 120, 160, 200, 240), y = law(c(40, 80, 120, 160, 200, 240), .85, 6, .9) + rnorm(6, 0, .006)),
  noisy_falling = list(n = c(50, 100, 200, 400, 800), y = .2 + 3 * c(50, 100, 200, 400, 800)^(-.6) + rnorm(5, 0, .004), falling = TRUE),
  asymptote_1 = list(n = c(58, 116, 174, 232), y = c(.60, .70, .755, .795)),      # nearly straight in log n: the asymptote ends at 1
  exponent_2 = list(n = c(58, 116, 174, 232), y = c(.50, .80, .805, .79)),        # over at the second size: the exponent ends at 2
  exponent_low = list(n = c(100, 1000, 10000, 100000), y = c(.30, .36, .42, .48)) # straight in log n and far from 1: the exponent ends at 0.05
)
fitted_law <- function(s) {
  falling <- isTRUE(s$falling); sign <- if (falling) -1 else 1
  best <- NULL
  for (a in c(.3, .6, .9, .99)) for (c0 in c(.1, .4, .8, 1.5)) {
    b <- max(1e-3, abs(mean(sign * (a - s$y)) / mean(s$n^(-c0))))
    fit <- tryCatch(suppressWarnings(nls(y ~ a - sign * b * n^(-c), data = data.frame(n = s$n, y = s$y), start = list(a = a, b = b, c = c0), algorithm = "port",
      lower = c(0, 0, .05), upper = c(1, Inf, 2), control = nls.control(maxiter = 2000, tol = 1e-12, minFactor = 1e-14, scaleOffset = 1, warnOnly = TRUE))),
      error = function(e) NULL)
    if (!is.null(fit) && (is.null(best) || deviance(fit) < deviance(best))) best <- fit
  }
  c(coef(best), rss = deviance(best))
}
data <- do.call(rbind, lapply(names(sets), function(k) data.frame(set = k, n = sets[[k]]$n, y = sprintf("%.17g", sets[[k]]$y))))
write.csv(data, file.path(out, "power_law_data.csv"), row.names = FALSE, quote = FALSE)
expected <- do.call(rbind, lapply(names(sets), function(k) {
  v <- fitted_law(sets[[k]])
  data.frame(set = k, falling = isTRUE(sets[[k]]$falling), asymptote = sprintf("%.15g", v[["a"]]), scale = sprintf("%.15g", v[["b"]]), exponent = sprintf("%.15g", v[["c"]]), rss = sprintf("%.15g", v[["rss"]]))
}))
write.csv(expected, file.path(out, "power_law_expected.csv"), row.names = FALSE, quote = FALSE)
