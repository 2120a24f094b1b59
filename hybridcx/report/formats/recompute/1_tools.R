# ---- Reading tables, and counting numbers that agree -----------------------------------------------------------------

folder_of_this_file <- function() {
  argument <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  for (frame in rev(sys.frames())) if (!is.null(frame$ofile)) return(dirname(normalizePath(frame$ofile)))  # source()
  if (length(argument)) return(dirname(normalizePath(gsub("~+~", " ", sub("^--file=", "", argument[1]), fixed = TRUE))))
  getwd()
}

# Every cell as text; num() turns cells into numbers, so that a model named "007" keeps its name. A missing value is NA without quotes. The text
# "NA", a name or a label, stands in quotes, which read.csv drops: it is marked before.
MARKED <- "\001NA"
plain <- function(x) sub(MARKED, "NA", x, fixed = TRUE)
read_table <- function(name) {
  path <- file.path(folder, name)
  if (!file.exists(path)) return(NULL)
  lines <- readLines(path, encoding = "UTF-8", warn = FALSE)
  if (any(grepl('"NA"', lines, fixed = TRUE))) {
    path <- textConnection(gsub('(?<![^,])"NA"(?=,|$)', paste0('"', MARKED, '"'), lines, perl = TRUE), encoding = "UTF-8")
    on.exit(close(path))
  }
  table <- read.csv(path, colClasses = "character", na.strings = character(0), check.names = FALSE, encoding = "UTF-8",
                    comment.char = "", strip.white = FALSE)
  if (nrow(table)) table else NULL
}
# Of many cases the predictions are compressed Parquet alone, which base R does not read: as text, like the CSV.
read_parquet <- function(name) {
  path <- file.path(folder, name)
  if (!file.exists(path)) return(NULL)
  if (!requireNamespace("arrow", quietly = TRUE)) stop(name, " needs the package arrow: install.packages(\"arrow\")")
  as_text <- function(x) ifelse(is.na(x), "NA", if (is.double(x)) sprintf("%.17g", x) else ifelse(x == "NA", MARKED, as.character(x)))
  as.data.frame(lapply(as.data.frame(arrow::read_parquet(path)), as_text), check.names = FALSE)
}
num <- function(x) suppressWarnings(as.numeric(ifelse(x == "NA", NA, x)))
given <- function(x) !is.null(x) & x != "NA"

tally <- new.env()
tally$passed <- list(); tally$failed <- list(); tally$left <- list(); tally$wrong <- character(0)
count_up <- function(what, key, by = 1L) {
  was <- tally[[what]][[key]]
  tally[[what]][[key]] <- (if (is.null(was)) 0L else was) + by
}

# Two numbers agree if both are missing, or to a relative tolerance (1e-9 unless the method is a search or a fit).
agree <- function(found, again, tolerance, size = 0) {
  if (length(again) != 1 || length(found) != 1) return(FALSE)
  if (is.na(found) || is.na(again)) return(is.na(found) && is.na(again))
  if (is.infinite(found) || is.infinite(again)) return(found == again)
  abs(found - again) <= tolerance * max(abs(found), abs(again), size) + 1e-12
}
hold <- function(key, where, column, found, again, tolerance = 1e-9, size = 0) {
  if (agree(found, again, tolerance, size)) return(count_up("passed", key, as.integer(!is.na(found))))
  difference(key, where, column, found, again)
}
hold_words <- function(key, where, column, found, again) {
  if (identical(as.character(found), as.character(again))) return(count_up("passed", key))
  difference(key, where, column, found, again)
}
hold_within <- function(key, where, column, found, again, reach) {
  if (is.finite(found) && is.finite(again) && is.finite(reach) && abs(found - again) <= reach) return(count_up("passed", key))
  difference(key, where, column, found, again)
}
difference <- function(key, where, column, found, again) {
  count_up("failed", key)
  shown <- function(x) if (is.numeric(x)) format(x, digits = 15) else as.character(x)
  tally$wrong <- c(tally$wrong, plain(sprintf("DIFFERENT  %s: %s: %s: found %s, recomputed %s", key, where, column, shown(found),
                                        paste(shown(again), collapse = " "))))
}
leave <- function(key, numbers) if (numbers > 0) count_up("left", key, as.integer(numbers))

NUMERIC <- c("estimate", "conf.low", "conf.high", "std.error", "statistic", "parameter", "parameter1", "parameter2", "p.value")
numbers_in <- function(row) sum(!is.na(num(unlist(row[intersect(NUMERIC, names(row))]))))

# Compare all the numbers that a method gives with a row; numbers that it does not give (NULL) are counted as left.
# A limit near 0 is as exact as the estimate and the standard error from which it is computed.
hold_row <- function(key, where, row, again, tolerance = 1e-9) {
  size <- abs(c(0, unlist(again[names(again) %in% c("estimate", "std.error")]))); size <- max(size[is.finite(size)])
  for (column in intersect(names(again), names(row)))
    hold(key, where, column, num(row[[column]]), again[[column]], tolerance, if (startsWith(column, "conf.")) size else 0)
  rest <- setdiff(intersect(NUMERIC, names(row)), names(again))
  leave(key, numbers_in(row[rest]))
}

# ---- Cases: the truth, the calls and the scores of every model on the same cases -------------------------------------

ledger <- NULL
slices <- list(); slice_keys <- character(0)  # a name of a variable or list could not be as long as that of a level
split_of_rows <- function() if ("split" %in% names(ledger)) ledger$split == "test" else rep(TRUE, nrow(ledger))

# The test cases of one seed (or without seeds) in one level of a subgroup; NULL where the ledger alone does not give them.
slice_of <- function(seed = "NA", subgroup = "NA", level = "NA") {
  key <- paste(seed, subgroup, level, sep = "\r")
  at <- match(key, slice_keys)
  if (!is.na(at)) return(slices[[at]])
  rows <- split_of_rows()
  if (given(seed)) rows <- rows & ledger$seed == seed
  if (given(subgroup)) {
    if (!subgroup %in% names(ledger)) return(NULL)
    rows <- rows & ledger[[subgroup]] == level
  }
  part <- ledger[rows, , drop = FALSE]
  if (!nrow(part)) return(NULL)
  cases <- sort(unique(part$case_id)); models <- unique(part$model)
  if (nrow(part) != length(cases) * length(models)) return(NULL)  # several seeds: never stacked
  at <- match(cases, part$case_id)
  made <- list(n = length(cases), models = models, cases = cases, y = part$y_true[at] == settings$positive, truth = part$y_true[at])
  grid <- function(column) {
    values <- lapply(models, function(m) { own <- part[part$model == m, ]; own[[column]][match(cases, own$case_id)] })
    names(values) <- models
    values
  }
  if ("y_pred" %in% names(part)) { made$calls <- grid("y_pred"); made$called <- lapply(made$calls, `==`, settings$positive) }
  if ("score" %in% names(part)) made$score <- lapply(grid("score"), num)
  made$groups <- if ("patient_id" %in% names(part) && all(given(part$patient_id))) match(part$patient_id[at], unique(part$patient_id))
  made$clusters <- if (is.null(made$groups)) made$n else length(unique(made$groups))
  made$clustered <- made$clusters < made$n
  made$folds <- "fold" %in% names(part) && length(unique(part$fold)) > 1
  slices <<- c(slices, list(made)); slice_keys <<- c(slice_keys, key)
  made
}
several_seeds <- function() "seed" %in% names(ledger) && length(unique(ledger$seed[split_of_rows()])) > 1

# The slice of a row of a table; NULL for rows under another labelling rule, and for means over several seeds.
slice_of_row <- function(row) {
  cell <- function(name) if (name %in% names(row)) row[[name]] else "NA"
  if (given(cell("label.rule"))) return(NULL)
  seed <- cell("seed")
  if (!given(seed) && several_seeds()) return(NULL)
  slice_of(seed, cell("subgroup"), cell("level"))
}
naming <- function(row, columns) {
  there <- columns[columns %in% names(row)]
  there <- there[vapply(there, function(c) row[[c]] != "NA", TRUE)]
  paste(there, unlist(row[there]), collapse = ", ")
}
