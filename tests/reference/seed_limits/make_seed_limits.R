# usage: Rscript make_seed_limits.R OUTDIR        (base R; reads ../resampled/seeds.csv beside it)
# Means over seeds by Student's t (Owen 2007, Satterthwaite 1946) with the variance of an unlimited number of resamples of cases and seeds, which a
# matrix of cases by seeds has in closed form: with row effects a, column effects b and rest e it is mean(a^2)/n + mean(b^2)/S + mean(e^2)/(nS).
args <- commandArgs(FALSE); here <- dirname(normalizePath(sub("--file=", "", args[grep("--file=", args)]))); out <- commandArgs(TRUE)[1]
d <- read.csv(file.path(here, "../resampled/seeds.csv")); S <- 5
right <- function(j) 1 * ((as.matrix(d[paste0("s", j)]) >= .5) == (d$y == 1)); A <- right(1:5); B <- right(6:10); n <- nrow(d)
without_seeds <- function(X) { a <- rowMeans(X) - mean(X); b <- colMeans(X) - mean(X); e <- sweep(X - rowMeans(X), 2, b)
  max(mean(a^2) / n + mean(e^2) / (n * S) - sum(e^2) / ((n - 1) * (S - 1)) / (n * S), 0) }
rows <- list(); add <- function(design, name, value) rows[[length(rows) + 1]] <<- data.frame(design = design, name = name, value = sprintf("%.17g", value))
limits <- function(design, estimate, within, between, df, scale = identity, back = identity, slope = 1) {
  V <- within + between; half <- qt(.975, df * V / between) * sqrt(V)
  add(design, "estimate", estimate); add(design, "std_error", sqrt(V)); add(design, "conf_low", back(scale(estimate) - half * slope)); add(design, "conf_high", back(scale(estimate) + half * slope)) }
p <- mean(A); limits("one", p, without_seeds(A), var(colMeans(A)) / S, S - 1, qlogis, plogis, 1 / (p * (1 - p)))
e <- mean(A) - mean(B); g <- colMeans(A) - colMeans(B)
limits("nested", e, without_seeds(A - B), (var(colMeans(A)) + var(colMeans(B))) / S, 2 * (S - 1))
limits("crossed", e, without_seeds(A - B), var(g) / S, S - 1)
write.csv(do.call(rbind, rows), file.path(out, "seed_limits_expected.csv"), row.names = FALSE, quote = FALSE)
