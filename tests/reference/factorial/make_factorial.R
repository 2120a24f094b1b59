# usage: Rscript make_factorial.R OUTDIR          (R with boot; reads predictions.csv beside it; about half a minute)
# Main effects of network, head and feature set, and heads less the softmax, with percentile limits from R's own draws (boot) and their Monte Carlo
# errors: hybridcx, which draws otherwise, must agree within four of the two errors together. Marginal means are tapply's over the models' table.
# predictions.csv was drawn once: two networks, three heads, two feature sets and the two softmaxes, 60 cases with their own difficulty.
suppressMessages(library(boot))
args <- commandArgs(FALSE); here <- dirname(normalizePath(sub("--file=", "", args[grep("--file=", args)]))); out <- commandArgs(TRUE)[1]
set.seed(51); B <- 4000
d <- read.csv(file.path(here, "predictions.csv"), check.names = FALSE); y <- d$y_true; scores <- as.matrix(d[, -(1:2)]); n <- length(y)
m <- data.frame(model = colnames(scores)); m$head <- ifelse(grepl("+", m$model, fixed = TRUE), sub(".*\\+", "", m$model), "softmax")
m$features <- ifelse(grepl(":pretrained", m$model, fixed = TRUE), "pretrained", "fine_tuned"); m$network <- sub("[:+].*", "", m$model)
auc <- function(y, s) { r <- rank(s); k <- sum(y); (sum(r[y == 1]) - k * (k + 1) / 2) / (k * (length(y) - k)) }
effects <- function(value) { g <- m$head != "softmax"; v <- value[g]; h <- m[g, ]
  by <- function(f) { e <- tapply(v, h[[f]], mean) - mean(v); setNames(as.vector(e), paste0(f, "|", names(e), "|fine-tuned and pretrained")) }
  soft <- setNames(value[!g], m$network[!g]); less <- tapply(v - soft[h$network], list(h$head, h$features), mean)
  tuned <- tapply(v, h$features, mean)
  c(by("network"), by("head"), "fine_tuning|fine_tuned|NA" = unname(tuned["fine_tuned"] - tuned["pretrained"]),
    setNames(as.vector(less), paste0("head_minus_softmax|", rep(rownames(less), ncol(less)), "|", rep(colnames(less), each = nrow(less)))),
    setNames(colMeans(less), paste0("head_minus_softmax|all heads|", colnames(less)))) }
of_cases <- function(i) c(effects(colMeans((scores[i, ] >= .5) == (y[i] == 1))), effects(apply(scores[i, ], 2, function(s) auc(y[i], s))))
b <- boot(seq_len(n), function(d, i) of_cases(i), B); names <- names(b$t0); metric <- rep(c("accuracy", "auroc"), each = length(names) / 2)
rows <- lapply(seq_along(names), function(k) { t <- b$t[, k]; a <- c(.025, .975); l <- quantile(t, a, type = 7, names = FALSE)
  again <- replicate(200, quantile(sample(t, B, TRUE), a, type = 7, names = FALSE)); part <- strsplit(names[k], "|", fixed = TRUE)[[1]]
  data.frame(metric = metric[k], factor = part[1], level = part[2], features = part[3], estimate = sprintf("%.10g", b$t0[k]), std.error = sprintf("%.6g", sd(t)),
    conf.low = sprintf("%.10g", l[1]), conf.high = sprintf("%.10g", l[2]), mc.low = sprintf("%.4g", sd(again[1, ])), mc.high = sprintf("%.4g", sd(again[2, ]))) })
write.csv(do.call(rbind, rows), file.path(out, "factorial_expected.csv"), row.names = FALSE, quote = FALSE)
