"""How a run is written down while it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from aezoo import registry
from aezoo.errors import OutputError, TerminatedError, ZooError, reason_of
from aezoo.evaluation import evaluate
from aezoo.runs.notes import notes_of
from aezoo.runs.run import Run, config_of
from aezoo.storage.checkpoint import MODEL_FILE, save_model
from aezoo.storage.folder import RunFolder
from aezoo.storage.state import STATE_FILE, State
from aezoo.training import Events, Metrics, Progress, Trainer


class Recorder:
    """Writes down what happens while a run trains.

    Args:
        run: what is trained.
        folder: where to; None writes nothing.
        trackers: who else hears of it.
        progress: where progress is shown.
        state: where an earlier training of the run was broken off.
    """

    def __init__(
        self,
        run: Run,
        folder: RunFolder | None,
        trackers: Iterable[Any],
        progress: Progress,
        state: State | None = None,
    ) -> None:
        self.run = run
        self.folder = folder
        self.events = Events(trackers, run.notes.append)
        on_save = None if folder is None else self._on_save
        self.trainer = Trainer(
            run.model, run.splits, run.training, self._on_epoch, progress, on_save, state, self._on_steps
        )
        self._told = len(self.trainer.notes)
        run.history = list(self.trainer.history)
        # of metrics.jsonl, in their order: of one step, that of an epoch comes last
        self._lines = sorted([*self.trainer.further, *run.history], key=lambda line: (line["step"], "epoch" in line))
        run.training = run.training.model_copy(
            update={
                "epochs": self.trainer.epochs,
                "steps": None,
                "batch_size": self.trainer.batch_size,
                "validation": len(run.splits.validation),
                "device": str(self.trainer.device),
            }
        )
        self._saved: Any = None
        # whether figures and pictures of an earlier training are there, which further training would make untrue
        self._outdated = False
        self._stateful = True

    @cached_property
    def _config(self) -> dict[str, Any]:
        return config_of(self.run)

    def go(self) -> Run:
        """Trains, evaluates, and leaves what a run leaves."""
        with self.opened():
            self.trainer.fit()
            self.finish()
        return self.run

    @contextmanager
    def opened(self, stateful: bool = True) -> Iterator[None]:
        """Keeps other runs out of the folder; what breaks off the block learns what is in it.

        A run that is not ``stateful`` saves no state of training, but its weights after each epoch.
        """
        self._stateful = stateful
        with nullcontext() if self.folder is None else self.folder.claimed():
            try:
                self._begin()
                self.events.call("aezoo_train_start", run=self.run)
                yield
            except BaseException as stop:
                self._say_what_is_left(stop)
                raise
            finally:
                if self.folder is not None and self.folder.begun and not (self.folder.resume or self.has_saved):
                    self.folder.withdraw()

    def _begin(self) -> None:
        folder = self.folder
        if folder is None:
            return
        if folder.resume:
            folder.write_config(self._config)
            folder.write_metrics(self._lines)
            self._outdated = True
        elif folder.is_new:
            # from here on a run that is killed can go on, if only from its first step
            folder.begin(self._config)

    def _say_what_is_left(self, stop: BaseException) -> None:
        if not self._stateful:
            # one of several, of which whoever trains them speaks
            return
        if isinstance(stop, KeyboardInterrupt | TerminatedError):
            word = "terminated" if isinstance(stop, TerminatedError) else "interrupted"
            stop.args = (f"{word}; {self._left()}.",)
        elif isinstance(stop, OutputError):
            stop.args = (f"{str(stop).removesuffix('.')}; {self._left()}.",)

    def _left(self) -> str:
        """What there is when a run is broken off, for a message."""
        folder = self.folder
        if folder is None:
            return "nothing was written"
        if folder.is_lost:
            return "what was saved is where the folder is now, if it still is"
        if not folder.begun and not folder.is_new:
            return f"the older run in {folder.path} is as it was"
        if not (folder.resume or self.has_saved):
            return "nothing was saved yet, and nothing stays"
        python = "" if self.run.name else f", which in Python is aezoo.resume({str(folder.path)!r}, into=model)"
        return f"{folder.path} holds what was saved; go on with: aezoo resume {folder.path}{python}"

    @property
    def has_saved(self) -> bool:
        """Whether a checkpoint of this run is in its folder."""
        return self._saved is not None

    def finish(self, pictures: bool = True) -> None:
        """Evaluates the trained model, and writes what comes of it."""
        run = self.run
        with registry.naming(run.model.modules(), "in evaluation"):
            run.results = evaluate(run.model, run.splits)
            found = notes_of(run)
        run.notes += [*self.trainer.notes, *found]
        if self.folder is not None:
            self.folder.check()
            if not (self._stateful and self.has_saved):
                # also of a run that had nothing left to train, and may have been killed between its weights and state
                save_model(self.folder.path / MODEL_FILE, run.model, run.header)
            # what was told when training was begun, or begun again, is no property of the run
            self.folder.finish({**run.results, "notes": [*self.trainer.notes[self._told :], *found]})
            if pictures:
                self._draw(self.folder.path)
        self.events.call("aezoo_train_end", run=run, results=run.results)

    def _draw(self, folder: Path) -> None:
        from aezoo.plots import draw_run  # here, since nobody should wait for matplotlib before the first step

        run = self.run
        try:
            run.pictures = draw_run(folder, run.model, run.splits, run.history)
        except ZooError:
            raise
        except Exception as error:
            run.notes.append(f"pictures could not be drawn ({reason_of(error)}); weights and figures are there.")

    def _on_save(self, state: State) -> None:
        # the best weights stay the same for many saves
        best = self.trainer.best_weights
        self._write(("best", state.position.best_epoch) if best else ("step", state.position.step), best, state)

    def _on_epoch(self, metrics: Metrics, keep: bool) -> None:
        run, folder = self.run, self.folder
        if folder is not None and keep and not self._stateful:
            self._write(("step", self.trainer.step))
        run.history.append(metrics)
        self._add(metrics)
        self.events.call("aezoo_epoch_end", run=run, metrics=metrics)

    def _on_steps(self, metrics: Metrics) -> None:
        self._add(metrics)
        self.events.call("aezoo_steps_end", run=self.run, metrics=metrics)

    def _add(self, metrics: Metrics) -> None:
        """A line for metrics.jsonl."""
        self._lines.append(metrics)
        if self.folder is not None and self.folder.begun:
            self.folder.append(metrics)

    def _write(
        self, mark: tuple[str, int], best: Mapping[str, Tensor] | None = None, state: State | None = None
    ) -> None:
        """Writes weights, then the state, which then never is of a later step; ``mark`` tells weights apart."""
        run, folder = self.run, self.folder
        assert folder is not None
        folder.check()

        def write(place: Path) -> None:
            if mark != self._saved:
                save_model(place / MODEL_FILE, run.model, run.header, best)
                self._saved = mark
            if state is not None:
                state.save(place / STATE_FILE, self._config)

        if folder.begun:
            if self._outdated:
                folder.outdate()
                self._outdated = False
            write(folder.path)
            return

        def begin(place: Path) -> None:
            folder.write_metrics(self._lines, place)
            write(place)

        folder.begin(self._config, begin)
