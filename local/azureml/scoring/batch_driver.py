"""Runs a batch deployment's scoring script over files: in mini-batches, several at once, with retries and a threshold.

Run as a script by the Python of the deployment's environment. The protocol of the script (init, run(mini_batch)) and
what becomes of its results: https://learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script
"""

import argparse
import importlib.util
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

_script: Any = None


def main() -> int:
    """Score; gives 1 where more inputs failed than the threshold allows."""
    given = _arguments()
    files = sorted(str(path) for path in Path(given.data).rglob("*") if path.is_file())
    if Path(given.data).is_file():
        files = [given.data]
    if not files:
        print(f"There is no file to score in {given.data}")
        return 1
    batches = [files[at : at + given.mini_batch_size] for at in range(0, len(files), given.mini_batch_size)]
    print(f"Scoring {len(files)} files in {len(batches)} mini-batches, {given.concurrency} at once")
    os.environ["AZUREML_MODEL_DIR"] = _model_directory(given)
    output = Path(given.output)
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(output)
    sys.stdout.flush()
    failed, lines = 0, []
    with ProcessPoolExecutor(given.concurrency, initializer=_load, initargs=(given.script,)) as pool:
        jobs = [pool.submit(_score, batch, given.max_retries, given.timeout) for batch in batches]
        for batch, job in zip(batches, jobs, strict=True):
            count, rows = job.result()
            missing = len(batch) if count is None else max(0, len(batch) - count)
            failed += missing
            lines += rows
            if 0 <= given.error_threshold < failed:
                for waiting in jobs:
                    waiting.cancel()
                print(f"{failed} inputs failed; the error threshold is {given.error_threshold}")
                return 1
    if given.action == "append_row":
        target = output / given.output_file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(f"{line}\n" for line in lines))
    print(f"Scored {len(files) - failed} of {len(files)} files, {len(lines)} rows")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in (
        "--data",
        "--model",
        "--model-name",
        "--script",
        "--output",
        "--output-file",
        "--action",
    ):
        parser.add_argument(name, default="")
    for name, default in (("--mini-batch-size", 10), ("--concurrency", 1), ("--error-threshold", -1)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--max-retries", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=30)
    return parser.parse_args()


def _model_directory(given: argparse.Namespace) -> str:
    """Give a folder that holds the model under the last part of its path, as in the service."""
    folder = Path("model-directory").absolute()
    folder.mkdir(exist_ok=True)
    if given.model:
        # Moved, not linked: MLflow refuses models that a link leads to.
        Path(given.model).rename(folder / (given.model_name or Path(given.model).name))
    return str(folder)


def _load(path: str) -> None:
    """Import the script and call its init, once in each worker."""
    global _script  # noqa: PLW0603 the script's protocol is module-level
    sys.path.insert(0, str(Path(path).parent.absolute()))
    spec = importlib.util.spec_from_file_location("scoring_script", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} is no Python file")
    _script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(_script)
    _script.init()


def _score(batch: list[str], retries: int, timeout: float) -> tuple[int | None, list[str]]:
    """Give how many results a mini-batch has (None: it failed), and their lines."""
    for attempt in range(retries + 1):
        try:
            signal.signal(signal.SIGALRM, _too_long)
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                rows = _lines(_script.run(batch))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return len(rows), rows
        except Exception as error:  # noqa: BLE001 what a person's script raises is counted, not raised
            print(f"Mini-batch of {batch[0]} failed, try {attempt + 1}: {type(error).__name__}: {error}", flush=True)
    return None, []


def _too_long(*_: object) -> None:
    raise TimeoutError("the mini-batch took longer than its timeout")


def _lines(result: Any) -> list[str]:
    """Give a result as lines: a table's rows with blanks between, as the service appends them, or one item a line."""
    if hasattr(result, "to_csv"):
        return str(result.to_csv(header=False, index=False, sep=" ")).splitlines()
    return [str(item) for item in (result if result is not None else [])]


if __name__ == "__main__":
    sys.exit(main())
