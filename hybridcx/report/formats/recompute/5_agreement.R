# ---- Agreement of readers ------------------------------------------------------------------------------------------------

# Columns reader_<name>, reader_<name>_<occasion> (likewise rating_): digits after the last underscore are an occasion.
reading_columns <- function(names_of, prefix) {
  columns <- grep(paste0("^(", prefix, ")_"), names_of, value = TRUE); name <- sub("^(reader|rating)_", "", columns)
  numbered <- grepl("^.*[^_ ].*_[0-9]+$", name)
  data.frame(column = columns, reader = ifelse(numbered, sub("_[0-9]+$", "", name), name),
             occasion = ifelse(numbered, suppressWarnings(as.integer(sub("^.*_", "", name))), 1L), stringsAsFactors = FALSE)
}
columns_of_row <- function(row, known) {
  row$readers <- plain(row$readers)
  parts <- function(x) strsplit(x, ", ", fixed = TRUE)[[1]]
  if (row$scope == "between") {
    at <- if (given(row$occasion)) as.integer(row$occasion) else min(known$occasion)
    known$column[match(paste(parts(row$readers), at, sep = "\r"), paste(known$reader, known$occasion, sep = "\r"))]
  } else known$column[match(paste(row$readers, parts(row$occasion), sep = "\r"), paste(known$reader, known$occasion, sep = "\r"))]
}

# The six intraclass correlations (Shrout and Fleiss 1979; limits also McGraw and Wong 1996), SEM and MDC95
anova_of <- function(x) {
  n <- nrow(x); k <- ncol(x); x <- x - x[1, 1]; g <- mean(x); rest <- sweep(sweep(x, 1, rowMeans(x)), 2, colMeans(x)) + g
  tiny <- function(v) if (v < n * k * (16 * .Machine$double.eps * max(abs(x), 1))^2) 0 else v
  ssb <- tiny(k * sum((rowMeans(x) - g)^2)); ssj <- tiny(n * sum((colMeans(x) - g)^2)); sse <- tiny(sum(rest^2))
  list(n = n, k = k, b = ssb / (n - 1), j = ssj / (k - 1), e = sse / ((n - 1) * (k - 1)), w = (ssj + sse) / (n * (k - 1)))
}
icc <- function(form, x, level) {
  none <- list(estimate = NA, conf.low = NA, conf.high = NA, statistic = NA, parameter1 = NA, parameter2 = NA, p.value = NA)
  if (nrow(x) < 2 || any(apply(x, 2, function(v) max(v) == min(v)))) return(none)
  a <- anova_of(x); n <- a$n; k <- a$k; one <- startsWith(form, "icc1"); mean_of <- endsWith(form, "k"); alpha <- 1 - level
  estimates <- with(a, c(icc1 = (b - w) / (b + (k - 1) * w), icc2 = (b - e) / (b + (k - 1) * e + k * (j - e) / n),
    icc3 = (b - e) / (b + (k - 1) * e), icc1k = (b - w) / b, icc2k = (b - e) / (b + (j - e) / n), icc3k = (b - e) / b))
  error <- if (one) a$w else a$e; df <- c(n - 1, (if (one) n else n - 1) * (k - 1))
  made <- none; made$estimate <- estimates[[form]]; made$parameter1 <- df[1]; made$parameter2 <- df[2]
  if (error == 0) return(made)
  f <- a$b / error; made$statistic <- f; made$p.value <- pf(f, df[1], df[2], lower.tail = FALSE)
  if (form %in% c("icc2", "icc2k")) {
    rho <- estimates[["icc2"]]; fj <- a$j / a$e; rest <- n * (1 + (k - 1) * rho) - k * rho
    v <- (k - 1) * (n - 1) * (k * rho * fj + rest)^2 / ((n - 1) * (k * rho * fj)^2 + rest^2)
    up <- qf(1 - alpha / 2, n - 1, v); down <- qf(1 - alpha / 2, v, n - 1); spread <- k * a$j + (k * n - k - n) * a$e
    limits <- c(n * (a$b - up * a$e) / (up * spread + n * a$b), n * (down * a$b - a$e) / (spread + n * down * a$b))
    if (mean_of) limits <- ifelse(1 + (k - 1) * limits > 0, k * limits / (1 + (k - 1) * limits), -Inf)
  } else {
    limits <- c(f / qf(1 - alpha / 2, df[1], df[2]), f * qf(1 - alpha / 2, df[2], df[1]))
    limits <- if (mean_of) ifelse(limits > 0, 1 - 1 / limits, -Inf) else (limits - 1) / (limits + k - 1)
  }
  made$conf.low <- limits[1]; made$conf.high <- limits[2]
  made
}
# Limits of the standard error: chi-square of the residual, or Graybill and Wang (1980) for its sum with the readers' variance
sem <- function(x, method, level, factor = 1) {
  if (nrow(x) < 2) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  a <- anova_of(x); n <- a$n; k <- a$k; tail <- (1 - level) / 2; df <- (n - 1) * (k - 1)
  if (method == "consistency") { value <- a$e; terms <- a$e } else {
    value <- max((a$j - a$e) / n, 0) + a$e; terms <- c(a$j / n, (1 - 1 / n) * a$e); df <- c(k - 1, df)
  }
  if (value == 0) return(list(estimate = 0, conf.low = NA, conf.high = NA))
  below <- sqrt(sum((terms * (1 - df / qchisq(1 - tail, df)))^2)); above <- sqrt(sum((terms * (df / qchisq(tail, df) - 1))^2))
  list(estimate = factor * sqrt(value), conf.low = factor * sqrt(max(sum(terms) - below, 0)), conf.high = factor * sqrt(sum(terms) + above))
}
# The quantile of the noncentral t distribution by integration over the standard deviation: above a noncentrality of 37.62 qt() turns to a normal
# approximation, which is off in the fourth digit.
noncentral_t <- function(p, df, ncp) {
  ends <- sqrt(c(qchisq(1e-16, df), qchisq(1e-16, df, lower.tail = FALSE)) / df)
  below <- function(t) integrate(function(s) pnorm(t * s - ncp) * 2 * df * s * dchisq(df * s^2, df), ends[1], ends[2],
                                 rel.tol = 1e-12, subdivisions = 1000L, stop.on.error = FALSE)$value
  spread <- 1 + abs(ncp)
  uniroot(function(t) below(t) - p, ncp + c(-1, 1) * spread, extendInt = "upX", tol = 1e-12 * spread)$root
}

# Bland and Altman (1986), exact limits of the limits (Carkeet 2015)
bland_altman <- function(metric, x, level) {
  d <- x[, 1] - x[, 2]; n <- length(d); made <- list(estimate = NA, conf.low = NA, conf.high = NA)
  if (n < 2) return(made)
  s <- sd(d); se <- s / sqrt(n); z <- qnorm(0.975); tail <- (1 - level) / 2
  if (s <= 16 * .Machine$double.eps * max(abs(x))) { made$estimate <- mean(d); return(made) }
  if (metric == "bland_altman_bias") {
    half <- qt(1 - tail, n - 1) * se; t <- mean(d) / se
    return(list(estimate = mean(d), conf.low = mean(d) - half, conf.high = mean(d) + half, std.error = se, statistic = t, parameter1 = n - 1,
                p.value = 2 * pt(-abs(t), n - 1)))
  }
  reach <- se * c(noncentral_t(tail, n - 1, z * sqrt(n)), noncentral_t(1 - tail, n - 1, z * sqrt(n)))
  if (metric == "bland_altman_upper") list(estimate = mean(d) + z * s, conf.low = mean(d) + reach[1], conf.high = mean(d) + reach[2])
  else list(estimate = mean(d) - z * s, conf.low = mean(d) - reach[2], conf.high = mean(d) - reach[1])
}

weights_of <- function(q, method) {
  d <- abs(outer(seq_len(q), seq_len(q), "-")) / max(q - 1, 1)
  switch(method, linear = 1 - d, quadratic = 1 - d^2, diag(q))
}
# Cohen (1960, 1968); standard errors Fleiss, Cohen and Everitt (1969). x: codes 1 to q
cohen_kappa <- function(x, q, method, level) {
  none <- list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA, statistic = NA, p.value = NA)
  x <- x[!is.na(x[, 1]) & !is.na(x[, 2]), , drop = FALSE]; n <- nrow(x)
  if (n == 0 || length(unique(x[, 1])) < 2 || length(unique(x[, 2])) < 2) return(none)
  p <- table(factor(x[, 1], seq_len(q)), factor(x[, 2], seq_len(q))) / n; p <- matrix(p, q); w <- weights_of(q, method)
  r <- rowSums(p); k <- colSums(p); chance <- outer(r, k); po <- sum(w * p); pe <- sum(w * chance); kappa <- (po - pe) / (1 - pe)
  m <- outer(drop(w %*% k), drop(r %*% w), "+")
  se <- sqrt(sum(p * (w - m * (1 - kappa) - (kappa - pe * (1 - kappa)))^2) / n) / (1 - pe)
  se0 <- sqrt(sum(chance * (w - m + pe)^2) / n) / (1 - pe)
  if (se0 < 1e-9) return(none)
  half <- if (se < 1e-9) NA else z_of(level) * se
  list(estimate = kappa, conf.low = max(kappa - half, -1), conf.high = min(kappa + half, 1), std.error = se, statistic = kappa / se0,
       p.value = 2 * pnorm(-abs(kappa / se0)))
}
counts_of <- function(x, q) t(apply(x, 1, function(v) tabulate(v[!is.na(v)], q)))
t_limits <- function(estimate, influence, level) {
  n <- length(influence); se <- sqrt(sum((influence - estimate)^2) / (n * (n - 1)))
  half <- if (n < 2 || se < 1e-9) NA else qt(1 - (1 - level) / 2, n - 1) * se
  list(estimate = estimate, conf.low = max(estimate - half, -1), conf.high = min(estimate + half, 1), std.error = se)
}
# Fleiss (1971), with unequal numbers of readings Gwet (2014); z Fleiss, Nee and Landis (1979), limits Gwet (2021)
fleiss_kappa <- function(x, q, level) {
  r <- counts_of(x, q); m <- rowSums(r); r <- r[m > 0, , drop = FALSE]; m <- m[m > 0]; n <- length(m); twice <- m >= 2; n2 <- sum(twice)
  none <- list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA, statistic = NA, p.value = NA)
  if (n2 == 0 || sum(colSums(r) > 0) < 2) return(none)
  p <- colMeans(r / m); pe <- sum(p^2); pq <- 1 - pe; mt <- m[twice]
  a <- ifelse(twice, rowSums(r * (r - 1)) / ifelse(twice, m * (m - 1), 1), 0); kappa <- (mean(a[twice]) - pe) / pq
  v <- 2 * (pq^2 - sum(p * (1 - p) * (1 - 2 * p))) * sum(1 / (mt * (mt - 1))) / n2^2 +
    4 * (sum(p^3) - pe^2) * ((1 / n2 - 1 / n)^2 * sum(1 / mt) + (n - n2) / n^2)
  z <- kappa * pq / sqrt(v)
  c(t_limits(kappa, n / n2 * (a - pe * twice) / pq - 2 * (1 - kappa) * (drop((r / m) %*% p) - pe) / pq, level),
    list(statistic = z, p.value = 2 * pnorm(-abs(z))))
}
# Gwet's AC1 (2008) and AC2 (2014)
gwet <- function(x, q, method, level) {
  r <- counts_of(x, q); m <- rowSums(r); r <- r[m > 0, , drop = FALSE]; m <- m[m > 0]; n <- length(m); twice <- m >= 2; w <- weights_of(q, method)
  none <- list(estimate = NA, conf.low = NA, conf.high = NA, std.error = NA, statistic = NA, parameter1 = NA, p.value = NA)
  if (!any(twice) || q < 2) return(none)
  share <- ifelse(twice, rowSums(r * (r %*% w - 1)) / ifelse(twice, m * (m - 1), 1), 0); pa <- mean(share[twice]); shares <- r / m
  p <- colMeans(shares); f <- sum(w) / (q * (q - 1)); pe <- f * sum(p * (1 - p)); ac <- (pa - pe) / (1 - pe)
  made <- t_limits(ac, n / sum(twice) * (share - pe * twice) / (1 - pe) - 2 * (1 - ac) * (f * drop(shares %*% (1 - p)) - pe) / (1 - pe), level)
  t <- if (is.na(made$conf.low)) NA else ac / made$std.error
  c(made, list(statistic = t, parameter1 = if (is.na(t)) NA else n - 1, p.value = if (is.na(t)) NA else 2 * pt(-abs(t), n - 1)))
}
# Share of agreeing pairs, Wilson's limits on the effective number of cases (Dean and Pagano 2015)
percent_agreement <- function(x, q, level) {
  r <- counts_of(x, q); m <- rowSums(r); r <- r[m >= 2, , drop = FALSE]; m <- m[m >= 2]; n <- length(m)
  if (n == 0) return(list(estimate = NA, conf.low = NA, conf.high = NA))
  pairs <- m * (m - 1); share <- rowSums(r * (r - 1)) / pairs; p <- mean(share); v <- sum((share - p)^2) / n^2; size <- n
  if (p > 0 && p < 1) size <- if (v > 0) min(p * (1 - p) / v, sum(pairs) / 2) else sum(pairs) / 2
  z <- z_of(level); centre <- (p + z^2 / (2 * size)) / (1 + z^2 / size); half <- z * sqrt(p * (1 - p) / size + z^2 / (4 * size^2)) / (1 + z^2 / size)
  list(estimate = p, conf.low = if (p > 0) max(centre - half, 0) else 0, conf.high = if (p < 1) min(centre + half, 1) else 1)
}
# Krippendorff's alpha from pairs within cases and pairs of all readings; its limits are resampled and left
krippendorff <- function(x, level_of, values) {
  x <- x[rowSums(!is.na(x)) >= 2, , drop = FALSE]; all_of <- x[!is.na(x)]
  if (nrow(x) < 2 || length(unique(all_of)) < 2) return(list(estimate = NA))
  score <- switch(level_of, nominal = NULL, interval = values, ordinal = { n <- tabulate(all_of, length(values)); cumsum(n) - n / 2 })
  distance <- function(v) if (is.null(score)) length(v)^2 - sum(tabulate(v)^2) else { s <- score[v]; s <- s - mean(s); 2 * length(v) * sum(s^2) }
  observed <- sum(apply(x, 1, function(v) { v <- v[!is.na(v)]; distance(v) / (length(v) - 1) }))
  list(estimate = 1 - observed * (length(all_of) - 1) / distance(all_of))
}

check_agreement <- function(table, ratings) {
  for (i in seq_len(NROW(table))) {
    row <- table[i, ]; key <- paste("agreement.csv", row$metric, row$method); where <- naming(row, c("scope", "readers", "occasion", "subset"))
    data <- ratings; prefix <- "reader|rating"
    if (grepl("^(call|rating)s, ", row$subset)) {
      prefix <- if (startsWith(row$subset, "call")) "reader" else "rating"
      if (endsWith(row$subset, "analysed")) data <- data[data$excluded == "NA", ]
    }
    known <- reading_columns(names(data), prefix); columns <- if (nrow(known)) columns_of_row(row, known) else NA
    if (anyNA(columns)) { leave(key, numbers_in(row)); next }
    level <- num(row$conf.level); if (is.na(level)) level <- settings$conf.level
    measured <- grepl("^(icc|sem|mdc|bland)", row$metric) || row$method == "interval"
    text <- as.matrix(data[columns]); every <- unlist(data[known$column]); every <- unique(every[every != "NA"]); x <- matrix(num(text), nrow(text))
    scale <- if (prefix == "reader") "nominal" else if (prefix == "rating") "measurement" else settings$scale
    if (scale == "either") scale <- if (measured) "measurement" else "ordinal"
    if (scale != "measurement") {
      order_of <- if (anyNA(num(every))) sort(every, method = "radix") else every[order(num(every))]
      if (scale == "nominal" && "NA" %in% unlist(data[known$column]) && settings$na_is_call) { leave(key, numbers_in(row)); next }
      codes <- matrix(match(text, order_of), nrow(text)); q <- length(order_of)
      if (startsWith(row$metric, "icc")) x <- matrix(ifelse(is.na(codes), NA, as.numeric(text == settings$positive)), nrow(text))
    }
    whole <- x[stats::complete.cases(x), , drop = FALSE]
    again <- switch(row$metric,
      icc1 = , icc2 = , icc3 = , icc1k = , icc2k = , icc3k = icc(row$metric, whole, level), sem = sem(whole, row$method, level),
      mdc95 = sem(whole, row$method, level, 1.96 * sqrt(2)),
      bland_altman_bias = , bland_altman_lower = , bland_altman_upper = bland_altman(row$metric, whole, level),
      cohen_kappa = { two <- sort(unique(codes[!is.na(codes)]))
                      cohen_kappa(matrix(match(codes, two), nrow(codes)), length(two), row$method, level) },
      fleiss_kappa = fleiss_kappa(codes, q, level),
      gwet_ac1 = , gwet_ac2 = gwet(codes, q, row$method, level), percent_agreement = percent_agreement(codes, q, level),
      krippendorff_alpha = if (scale == "measurement") { u <- sort(unique(x[!is.na(x)])); krippendorff(matrix(match(x, u), nrow(x)), "interval", u) }
                           else krippendorff(codes, row$method, num(order_of)), NULL)
    if (is.null(again)) { leave(key, numbers_in(row)); next }
    hold_row(key, where, row, again, if (grepl("^bland_altman_(lower|upper)", row$metric)) 1e-5 else 1e-8)
  }
}
