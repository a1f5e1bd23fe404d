"""Trains a candidate version from examples: a QLoRA adapter is merged, exported, checked and named.

Run as: python -m model.qlora_update DATASET_FOLDER [--models-dir data/models] [--parent VERSION] [--rank 16]
...
        torchrun --standalone --nproc-per-node 2 -m -- model.qlora_update FOLDER ...  (one process a GPU)

Read it from top to bottom: `update` is the job. It runs in a process of its own, never in the one that
answers. Every step leaves its result under `models_dir/.NAME.part` by a rename, so a run that was
interrupted, by Ctrl-C or `kill -9`, goes on where it was when it is started again in the same words:

    hf/              the base model's weights, unpacked               (where the base is no directory)
    checkpoint.pt    adapter, optimiser and progress, while it learns
    adapter/         what was learned
    merged/          base and adapter as one model
    onnx/            the graph, with the manifest written last; renamed to models_dir/NAME it is the version

The same file trains the default model on a processor and Llama-2-7B on GPUs: `model/training/launch.py` has
what differs. What the libraries print goes to `models_dir/.update.log`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from core.files import compute_hashes, keep_private, only_one, sync_files, whole_folder, write_durably
from core.subprocess_step import Report, Shown, add_options, end_with_parent, parse_options, parse_request
from model.inference.tokenizer import ChatText
from model.registry.catalogue import Target
from model.registry.export_onnx import (
    ExportRefused,
    build,
    find_weights,
    needs_no_hub,
    read_builder_version,
)
from model.registry.versions import (
    ModelVersion,
    VersionError,
    find_live_version,
    find_version,
    read_version,
    write_version,
)
from model.training.dataset import Dataset, Encoded, ExamplesInvalid, encode, is_teachable, read_dataset
from model.training.launch import CHECKPOINT, Training, TrainingConfig, candidate_name, work_folder
from model.training.memory import keep_freed_memory
from model.training.tracking import Tracking, open_tracking

# pyright: basic
# (torch, transformers, peft and bitsandbytes are typed in parts only)

_COMPARED = 8  # examples
ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Update:
    """One training: what is learned from, which version it descends from, how, and where it is done."""

    dataset: Dataset
    parent: ModelVersion
    recipe: TrainingConfig
    models_dir: Path

    @property
    def name(self) -> str:
        """The version's name: the same examples, parent and recipe are the same training."""
        return candidate_name(self.parent, self.recipe, self.dataset.sha256)

    @property
    def work(self) -> Path:
        """The folder of finished steps until everything is done."""
        return work_folder(self.models_dir, self.name)

    @property
    def going_on(self) -> Path | None:
        """The parent's adapter, where learning goes on from it."""
        adapter = self.parent.folder / ADAPTER
        return adapter if self.recipe.start == "parent" and adapter.is_dir() else None


def update(job: Update, report: Report, tracking: Tracking) -> ModelVersion | None:
    """Make the version, unless it is there already; None in a process that only helps another.

    Raises Refused, ExamplesInvalid, agreement.Disagrees, ImportError and OSError; each is a sentence for a
    person.
    """
    from accelerate import Accelerator  # noqa: PLC0415 - seconds, and not every machine has it

    keep_freed_memory()
    accelerator = Accelerator(cpu=job.recipe.device == "cpu")
    if job.recipe.choose_weights(accelerator.device.type) != "nf4":
        # peft imports it where it is installed, and with it torch's compiler: seconds, for nothing
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]
    with _alone(job.models_dir) if accelerator.is_main_process else contextlib.nullcontext():
        accelerator.wait_for_everyone()
        done = read_version(job.models_dir / job.name)
        if done is not None:
            return done
        job.work.mkdir(parents=True, exist_ok=True)
        text = ChatText(job.parent.folder)
        learned, validation = _encode_all(job, text)
        report.part(0.0, 0.15)
        with accelerator.main_process_first():
            hf, _ = find_weights(job.parent.base, job.work, report)
        report.part(0.15, 0.8)
        training = _learn(job, hf, (learned, validation), report, tracking, accelerator)
        if not accelerator.is_main_process:
            return None
        report.part(0.8, 0.85)
        merged = _merge(job, hf, report)
        report.part(0.85, 1.0)
        return _publish(job, merged, (validation or learned)[:_COMPARED], training, report)


def _encode_all(job: Update, text: ChatText) -> tuple[list[Encoded], list[Encoded]]:
    """Return the tokens of what is learned and of what tells when to stop.

    What is too long is left out, and what does not stand in what the model reads.
    """
    reading = job.recipe.reading
    learned, validation = (
        [
            one
            for example in side
            if is_teachable(example, reading)
            and len(one := encode(text, example, reading)) <= job.recipe.longest_tokens
        ]
        for side in job.dataset.split(job.recipe.validation_share)
    )
    if not learned:
        raise ExamplesInvalid(
            f"nothing in the dataset {job.dataset.name} can be learned from: all of it is held out, kept for "
            f"validation, longer than {job.recipe.longest_tokens} tokens, or says what its passages do not"
        )
    return learned, validation


# Learn


def _learn(
    job: Update,
    hf: Path,
    examples: tuple[list[Encoded], list[Encoded]],
    report: Report,
    tracking: Tracking,
    accelerator: Any,
) -> dict[str, Any]:
    """Leave `adapter/`, and say how it was learned."""
    told = job.work / "training.json"
    if told.exists():
        return json.loads(told.read_text("utf-8"))
    report.step("loading the base model", 0.0, 0.05)
    from model.training.trainer import Trainer  # noqa: PLC0415 - torch

    learned, validation = examples
    model = adapt_model(hf, job.recipe, accelerator.device, job.going_on)
    learner = Trainer(model, learned, validation, job.recipe, accelerator)
    main = accelerator.is_main_process
    timing = _Timing(report)
    with _track_run(job, tracking, learner.progress) if main else contextlib.nullcontext():
        report.step("measuring before it learns", 0.05, 0.1)
        before = learner.loss(validation) if validation else None

        def report_step(step: int, steps: int, figures: dict[str, float]) -> None:
            timing.tell(step, steps, figures)
            if main:
                tracking.log_figures(step, figures)

        learner.learn(job.work / CHECKPOINT, report_step)
    progress = learner.progress
    training = {
        "recipe": asdict(job.recipe),
        "weights": job.recipe.choose_weights(accelerator.device.type),
        "device": accelerator.device.type,
        "examples": len(learned),
        "kinds": {
            kind: sum(one.kind == kind for one in learned) for kind in sorted({one.kind for one in learned})
        },
        "validation_examples": len(validation),
        "validation_loss_before": before,
        "validation_loss": progress.best_loss if progress.best else None,
        "steps": progress.step,
        "best_step": progress.best_step if progress.best else progress.step,
        "processes": accelerator.num_processes,
        "goes_on_from": job.going_on.parent.name if job.going_on else None,
        "tracked_as": progress.tracked,
    }
    if main:
        with whole_folder(job.work / ADAPTER) as part:
            model.save_pretrained(part)
        write_durably(told, json.dumps(training))
    return training


def adapt_model(hf: Path, recipe: TrainingConfig, device: Any, going_on: Path | None) -> Any:
    """Return the frozen base with an adapter that learns: a new one, or the one that it goes on with."""
    import torch  # noqa: PLC0415 - the heavy libraries are imported by the step that needs them
    from peft import LoraConfig, PeftModel, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig  # noqa: PLC0415

    weights = recipe.choose_weights(device.type)
    lies: dict[str, Any] = {"dtype": torch.float32 if weights == "fp32" else torch.bfloat16}
    if weights == "nf4":
        lies["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_pretrained(hf, device_map={"": device}, **lies)
    if recipe.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    if going_on is not None:
        return PeftModel.from_pretrained(model, going_on, is_trainable=True)
    shape = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, shape)


class _Timing:
    """Tells how far the learning is, with its loss and the time that is left."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seconds: list[float] = []

    def tell(self, step: int, steps: int, figures: dict[str, float]) -> None:
        self._seconds = [*self._seconds[-19:], figures["seconds"]]
        left_s = (steps - step) * sum(self._seconds) / len(self._seconds)
        validated = (
            f", on validation {figures['validation_loss']:.3f}" if "validation_loss" in figures else ""
        )
        left = f"{left_s / 60:.0f} min" if left_s >= 60 else f"{left_s:.0f} s"  # noqa: PLR2004 - a minute
        words = (
            f"learning, step {step} of {steps}, loss {figures['loss']:.3f}{validated}, {left} left at most"
        )
        self._report.step(words, 0.1 + 0.9 * step / steps, 1.0)


@contextmanager
def _track_run(job: Update, tracking: Tracking, progress: Any) -> Generator[None]:
    """Begin a tracked run, or go on with the one of the checkpoint, and end it however the learning ends."""
    noted = job.work / "tracked"
    parameters = {**asdict(job.recipe), "dataset": job.dataset.name, "parent": job.parent.name}
    progress.tracked = tracking.begin(
        job.name, parameters, noted.read_text("utf-8") if noted.exists() else ""
    )
    write_durably(noted, progress.tracked)
    try:
        yield
    except BaseException as error:
        tracking.end("FAILED", {"problem": type(error).__name__})
        raise
    tracking.end("FINISHED", {"version": job.name, "dataset": job.dataset.name, "parent": job.parent.name})


# Merge


def _merge(job: Update, hf: Path, report: Report) -> Path:
    """Leave `merged/`: the base's own weights, never the rounded ones, with what the adapter adds to them."""
    merged = job.work / "merged"
    if merged.exists():
        return merged
    report.step("merging the adapter", 0.0, 1.0)
    from peft import PeftModel  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    base = AutoModelForCausalLM.from_pretrained(hf, dtype="auto")
    whole = PeftModel.from_pretrained(base, job.work / ADAPTER).merge_and_unload(safe_merge=True)
    with whole_folder(merged) as part:
        whole.save_pretrained(part)
        for file in hf.iterdir():  # the tokenizer, the chat template, the model card with its licence
            if (
                file.is_file()
                and not (part / file.name).exists()
                and file.suffix not in (".safetensors", ".bin")
            ):
                shutil.copy(file, part)
    return merged


# Export, check, publish


def _publish(
    job: Update, merged: Path, compared: Sequence[Encoded], training: dict[str, Any], report: Report
) -> ModelVersion:
    """Export the merged model, compare it with torch, and only then make it a version."""
    onnx, precision = job.work / "onnx", job.parent.precision
    if not onnx.exists():
        build(merged, onnx, Target(precision, job.parent.device), report)
    report.step("comparing the graph with the model", 0.95, 0.99)
    from model.training.export_check import compare  # noqa: PLC0415

    if ChatText(onnx).end_of_turn != ChatText(job.parent.folder).end_of_turn:
        raise ExportRefused("the exported model has another chat template than its parent")
    agreed = compare(merged, onnx, precision, compared)
    agreed.check(precision)
    report.step("writing the manifest", 0.99, 1.0)
    shutil.copytree(job.work / ADAPTER, onnx / ADAPTER, dirs_exist_ok=True)
    (onnx / ADAPTER / "README.md").unlink(missing_ok=True)  # a form that nobody filled in
    version = ModelVersion(
        name=job.name,
        parent=job.parent.name,
        base=job.parent.base,
        precision=precision,
        device=job.parent.device,
        status="candidate",
        created_at=datetime.now(UTC),
        weights_uri=str(onnx),
        files=compute_hashes(onnx),
        licence=job.parent.licence,
        builder=read_builder_version(),
        dataset=job.dataset.name,
        training=training | {"agreement": asdict(agreed)},
        profile=job.parent.profile,  # as many weights in the same precision
        drafting=job.parent.drafting,
    )
    sync_files(onnx)
    write_version(version)
    onnx.rename(job.models_dir / job.name)
    sync_files(job.models_dir / job.name)
    shutil.rmtree(job.work, ignore_errors=True)
    return read_version(job.models_dir / job.name) or version


# Around it


@contextmanager
def _alone(models_dir: Path) -> Generator[None]:
    try:
        with only_one(models_dir / ".update.lock", wait=False):
            yield
    except BlockingIOError as error:
        raise ExportRefused(
            "a training is under way in another process: start this one when that has ended"
        ) from error


def _job(training: Training) -> Update:
    """Raises ExamplesInvalid and VersionError."""
    dataset, models_dir = read_dataset(training.dataset), training.models_dir
    parent = find_version(models_dir, training.parent) if training.parent else find_live_version(models_dir)
    return Update(dataset, parent, training.recipe, models_dir)


@contextmanager
def _reporting(models_dir: Path, *, to_parent: bool) -> Generator[Report]:
    models_dir.mkdir(parents=True, exist_ok=True)
    silent = int(os.environ.get("LOCAL_RANK", "0")) > 0  # noqa: TID251 - the launcher's word to its processes
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((models_dir / ".update.log").open("a", encoding="utf-8"))
        if to_parent or silent:
            report = Report(io.StringIO() if silent else sys.stdout, log)
        else:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
            )
            report = Shown(log, stack.enter_context(Progress(*columns)))
        logging.basicConfig(stream=log, level=logging.INFO)
        stack.enter_context(contextlib.redirect_stdout(report))
        stack.enter_context(contextlib.redirect_stderr(report))
        yield report


def parse_arguments(arguments: Sequence[str]) -> Training:
    """Return the training that a person asks for."""
    parser = argparse.ArgumentParser(description="Train a candidate version on a dataset of examples.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models-dir", type=Path, default=Path("data/models"))
    parser.add_argument("--parent", default="", help="the version that it descends from; empty: the live one")
    parser.add_argument("--tracking", default="off", help="off, empty for a file beside the models, or a URI")
    add_options(parser, TrainingConfig)
    given = parser.parse_args(arguments)
    recipe = parse_options(TrainingConfig, given, parser)
    return Training(given.dataset, given.models_dir, recipe, given.parent, given.tracking)


def main() -> int:
    """Run `update`, for a person or for a parent process."""
    keep_private()
    request = parse_request(Training, sys.argv[1:])
    training = request or parse_arguments(sys.argv[1:])
    if request:
        threading.Thread(target=end_with_parent, daemon=True).start()
    with _reporting(training.models_dir, to_parent=bool(request)) as report:
        try:
            job = _job(training)
            if needs_no_hub(job.parent.base):
                os.environ["HF_HUB_OFFLINE"] = "1"  # noqa: TID251 - the library listens to nothing else
            version = update(job, report, open_tracking(training.tracking, training.models_dir))
        except ImportError as error:
            report.send({"problem": f"training needs {error.name or error}: install askpage[training]"})
        except (ExportRefused, ExamplesInvalid, VersionError, OSError) as error:
            report.send({"problem": str(error)})
        except KeyboardInterrupt:
            report.send(
                {"problem": "Interrupted. Start it again in the same words to go on where it stopped."}
            )
        else:
            if version is not None:
                report.send({"info": {"name": version.name}})
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
