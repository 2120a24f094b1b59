"""Small predictions and ratings for the tests of the command line."""

from __future__ import annotations

HEADER = "case_id,y_true,model,y_pred,score\n"


def rows(models=("vgg16", "lda"), n=20):
    """Predictions whose calls are made from their scores at 0.5."""
    out = []
    for j, model in enumerate(models):
        for i in range(n):
            truth = ("normal", "abnormal")[i % 2]
            score = ((i * 7 + 3 * j) % 10 + 3 * (i % 2)) / 13
            out.append(f"c{i:02d},{truth},{model},{('normal', 'abnormal')[score >= 0.5]},{score:.4f}")
    return out


GOOD = HEADER + "\n".join(rows()) + "\n"
RATINGS = "case_id,reader_a,reader_b\n" + "".join(f"c{i},{40 + i * 3 % 7},{40 + i * 5 % 7}\n" for i in range(20))


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(path, text, **options):
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text, encoding=options.get("encoding", "utf-8"), newline="")
    return path
