"""Scores a folder of flights with a model: predictions file by file, and a manifest that says what came of each."""

import argparse
import sys
from pathlib import Path

from models import ModelError, load
from reading import DataError, files
from scoring import score_file, write_manifest
from tracking import run


def main() -> int:
    """Run the scoring; 0 done, 1 too many rows without a prediction, 2 where data or model do not allow it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--scored", type=Path, default=Path("outputs/scored"))
    parser.add_argument("--largest-error-share", type=float, default=0.05, help="share of rows without a prediction")
    given = parser.parse_args()
    with run("score") as tracked:
        try:
            model = load(given.model)
            given.scored.mkdir(parents=True, exist_ok=True)
            done = [score_file(model, file, given.scored) for file in files(given.data)]
        except (DataError, ModelError) as error:
            print(f"scoring failed: {error}", file=sys.stderr)
            return 2
        found = write_manifest(given.scored / "manifest.json", done)
        tracked.metrics(
            {name: found[name] for name in ("rows_in", "rows_out", "errors", "nulls")} | {"files": len(done)}
        )
        share = found["errors"] / found["rows_in"] if found["rows_in"] else 1.0
        for file in done:
            for reason, count in file.reasons.items():
                print(f"{file.path}: {count} rows without a prediction: {reason}")
        if share > given.largest_error_share:
            print(
                f"scoring failed: {found['errors']} of {found['rows_in']} rows ({share:.1%}) have no prediction, "
                f"more than {given.largest_error_share:.1%}; the manifest has the reasons",
                file=sys.stderr,
            )
            return 1
        print(f"scored {found['rows_out']} rows of {len(done)} files, {found['errors']} without a prediction")
    return 0


if __name__ == "__main__":
    sys.exit(main())
