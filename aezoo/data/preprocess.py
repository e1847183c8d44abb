"""The scaling of raw data to what the network sees, and back.

Shapes: n rows, C channels, D values of one datum, *X one datum: (D,) for a table, (C, H, W) for an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

import torch
from torch import Tensor

from aezoo.core.spec import DataSpec
from aezoo.data.bends import LogBend, RankBend, Sample, heavy, robust
from aezoo.errors import CompositionError, DataError, UsageError
from aezoo.parts import Scaling

Kind = Literal["none", "scale", "standardize", "minmax", "robust", "log1p", "quantile", "per-column"]
KINDS: tuple[Kind, ...] = ("none", "scale", "standardize", "minmax", "robust", "log1p", "quantile", "per-column")
# of tables alone: a pixel's rank says nothing of the image
BENT = ("log1p", "quantile", "per-column")


class Preprocess(Scaling):
    """An affine map of every value, ``(x - shift) * scale``, whose float64 buffers are saved with the weights.

    The buffers have their final shape from construction: (D,) for a fitted map of a table, (1, C) for one of series,
    (C, 1, 1) for one of images, () for a map that is not fitted. They stay float64 when the model is cast.

    Examples:
        >>> scale = aezoo.data.Preprocess("scale", aezoo.DataSpec(shape=(2,), low=0, high=16))
        >>> scale(torch.tensor([[0.0, 16.0]])).tolist(), scale.inverse(torch.tensor([[0.5, 1.0]])).tolist()
        ([[0.0, 1.0]], [[8.0, 16.0]])
    """

    def __init__(self, kind: Kind, spec: DataSpec, clip: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.clip = clip
        self._size = spec.size
        # levels and counts are what they are
        self._holes = any(column.holes for column in spec.columns)
        self._kept = [i for i, column in enumerate(spec.columns) if not column.scaled]
        low, high = _range(spec) if kind == "scale" else (0.0, 1.0)
        # a map that changes nothing costs nothing
        self._unchanged = kind in ("none", "scale") and (low, high) == (0.0, 1.0)
        shape: tuple[int, ...] = ()
        self._pooled: tuple[int, ...] = ()
        self._axis = 0
        if kind not in ("none", "scale"):
            self._axis = axis = 1 if spec.series else 0
            # of a table each column, of a series (T, C) each channel, of images (C, H, W) each channel
            shape = tuple(size if i == axis else 1 for i, size in enumerate(spec.shape))
            self._pooled = tuple(i + 1 for i in range(len(shape)) if i != axis)
        self.register_buffer("shift", torch.full(shape, low, dtype=torch.float64))
        self.register_buffer("scale", torch.full(shape, 1.0 / (high - low), dtype=torch.float64))
        self.fitted = torch.tensor(kind in ("none", "scale"))
        self.bend: LogBend | RankBend | None = None
        if kind in BENT:
            self.bend = LogBend() if kind == "log1p" else RankBend(spec.size)

    def forward(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Scaled data of the shape of ``x`` (..., *X), computed in float64, returned as ``dtype`` (torch's default)."""
        # in place where that cannot be seen: passes over memory are what this costs
        if self.bend is not None:
            x = self._bent(x.to(torch.float64))
        out = x if self._unchanged else (x.to(torch.float64) - self.shift).mul_(self.scale)
        out = out.to(dtype or torch.get_default_dtype())
        return out.clamp(0.0, 1.0) if self.clip else out

    def inverse(self, x: Tensor) -> Tensor:
        """Raw values of scaled ``x`` (..., *X), computed in float64, returned in the dtype of ``x``."""
        if self._unchanged:
            return x
        out = x.to(torch.float64) / self.scale + self.shift
        return (out if self.bend is None else self._bent(out, back=True)).to(x.dtype)

    def _bent(self, x: Tensor, back: bool = False) -> Tensor:
        assert self.bend is not None
        bent = self.bend.inverse(x) if back else self.bend(x)
        if not self._kept:
            return bent
        bent = bent.clone()
        bent[..., self._kept] = x[..., self._kept]
        return bent

    def log_det(self) -> Tensor:
        """() float64, nats: ``log p_raw(x) = log p_scaled(forward(x)) + log_det()``, wherever nothing is clipped.

        Raises UsageError for a map that is no straight line, whose slope is another at every value.
        """
        if self.bend is not None:
            raise UsageError(
                f"preprocess {self.kind!r} has another slope at every value: use standardize for densities."
            )
        return self.scale.log().sum() * (self._size / self.scale.numel())

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Fits the buffers in one pass over raw batches (n, *X), merging moments as Chan, Golub and LeVeque do.

        The standard deviation is the population's. A column that never changes keeps the scale 1. Raises DataError
        when there are no rows, or when a column's range is beyond what float64 can divide by. Does nothing, and
        reads nothing, when the kind has nothing to fit.
        """
        if self.kind in ("none", "scale"):
            return
        count, mean, squares = torch.zeros_like(self.shift), torch.zeros_like(self.shift), torch.zeros_like(self.shift)
        any_rows, sample = False, Sample()
        low, high = torch.full_like(mean, torch.inf), torch.full_like(mean, -torch.inf)
        axes = (0, *self._pooled)
        for batch in batches:
            rows = batch.to(self.shift)
            if not len(rows):
                continue
            any_rows = True
            if self.kind in ("robust", "quantile", "per-column"):
                sample.add(rows)
            if isinstance(self.bend, LogBend):
                rows = self.bend(rows)
            missing = rows.isnan() if self._holes else None
            least, most = (rows, rows) if missing is None else (rows.nan_to_num(end) for end in (torch.inf, -torch.inf))
            low = torch.minimum(low, least.amin(axes, keepdim=True)[0])
            high = torch.maximum(high, most.amax(axes, keepdim=True)[0])
            n, variance, center = _moments(rows, axes, missing)
            delta, total = center - mean, count + n
            known = total.clamp_min(1)
            mean = mean + delta * (n / known)
            squares = squares + variance * n + delta.square() * (count * n / known)
            count = total
        if not any_rows:
            raise DataError("there are no rows to fit the preprocessing on: give at least one.")
        low, high = (torch.where(count > 0, end, 0.0) for end in (low, high))
        # a column of one value may still show a spread of rounding errors, which must not be blown up to 1
        constant = high - low <= 8 * torch.finfo(torch.float64).eps * torch.maximum(low.abs(), high.abs())
        spread = high - low if self.kind == "minmax" else (squares / count.clamp_min(1)).sqrt()
        shift = low if self.kind == "minmax" else mean
        if self.kind == "robust":
            middle, spread = robust(sample.rows().movedim(self._axis + 1, -1).reshape(-1, mean.numel()))
            shift, spread = middle.view_as(mean), spread.view_as(mean)
        scale = torch.where(constant, 1.0, 1.0 / spread)
        if isinstance(self.bend, RankBend):
            rows = sample.rows()
            bent = torch.ones(mean.numel(), dtype=torch.bool) if self.kind == "quantile" else heavy(rows)
            bent[self._kept] = False
            self.bend.fit(rows, bent)
            shift[self.bend.bent], scale[self.bend.bent] = 0.0, 1.0
        shift[self._kept], scale[self._kept] = 0.0, 1.0
        self._store(shift, scale)

    def _store(self, shift: Tensor, scale: Tensor) -> None:
        fits = torch.isfinite(shift) & torch.isfinite(scale) & (scale > 0)
        if not bool(fits.all()):
            column = int(torch.argmin(fits.flatten().to(torch.uint8)))
            raise DataError(
                f"column (or channel) {column}, counted from 0, spans a range that float64 cannot divide by: "
                "rescale it or leave it out."
            )
        self.shift.copy_(shift)
        self.scale.copy_(scale)
        self.fitted.fill_(True)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        before = {"shift": self.shift, "scale": self.scale}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in before.items():
            now = getattr(self, name)
            if now.dtype != torch.float64:
                setattr(self, name, value.to(now.device))
        return self

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.kind!r}, clip={self.clip}"


def _moments(rows: Tensor, axes: tuple[int, ...], missing: Tensor | None) -> tuple[Any, Tensor, Tensor]:
    """Number, population variance and mean of the values of each column or channel of rows (n, *X)."""
    if missing is None:
        variance, center = (m[0] for m in torch.var_mean(rows, axes, correction=0, keepdim=True))
        return rows.numel() // center.numel(), variance, center
    count = (~missing).sum(0)
    center = rows.nansum(0) / count.clamp_min(1)
    return count, (rows - center).square().nansum(0) / count.clamp_min(1), center


def make_preprocess(kind: str, spec: DataSpec, clip: bool = False) -> Preprocess:
    """The scaling ``kind`` of data of ``spec``, not yet fitted.

    "scale" maps the known range low..high to [0, 1]; "standardize" gives mean 0 and standard deviation 1, "robust"
    median 0 and the quartiles of a standard Gaussian, "minmax" the range [0, 1], per column of a table, or channel of
    series and images; "auto" is what the spec asks for. Of tables alone, "log1p" is sign(x)·log(1 + |x|), standardised;
    "quantile" the normal score of a value's rank; "per-column" that of the columns with heavy tails, with a value more
    than 8 deviations from the mean, and "standardize" of the others. ``clip`` clamps scaled values to [0, 1], for
    likelihoods with that support: "minmax" knows the range of the training rows alone, and later rows may exceed it.

    Raises:
        UsageError: an unknown kind, one that does not fit the data, or "scale" without a known range.
        CompositionError: ``clip`` where scaled data has no such range.

    Examples:
        >>> aezoo.data.make_preprocess("standardize", aezoo.DataSpec(shape=(3,))).kind
        'standardize'
    """
    scaled = scaled_spec(kind, spec)
    if clip and (scaled.low is None or scaled.high is None or scaled.low < 0 or scaled.high > 1):
        raise CompositionError(
            f"preprocess {kind!r} does not bring {spec.name!r} into [0, 1], where its values are wanted: "
            "use --preprocess minmax, or scale where the range is known."
        )
    return Preprocess(_resolve(kind, spec), spec, clip)


def scaled_spec(kind: str, spec: DataSpec) -> DataSpec:
    """The spec of the data that the network sees after ``make_preprocess(kind, spec)``; raises UsageError as that.

    Examples:
        >>> spec = aezoo.DataSpec(shape=(2,), low=0, high=255)
        >>> aezoo.data.scaled_spec("scale", spec).high
        1.0
    """
    resolved = _resolve(kind, spec)
    if resolved == "none":
        return spec
    if resolved == "scale":
        _range(spec)
    unit = resolved == "minmax" or resolved == "scale"
    update = {
        "low": 0.0 if unit else None,
        "high": 1.0 if unit else None,
        "levels": spec.levels if resolved == "scale" else None,
        "scaling": "none",
    }
    return spec.model_copy(update=update)


def _resolve(kind: str, spec: DataSpec) -> Kind:
    chosen = spec.scaling if kind == "auto" else kind
    if chosen in BENT and len(spec.shape) != 1:
        raise UsageError(
            f"preprocess {chosen!r} is for tables, and {spec.name!r} has shape {spec.shape}: use standardize."
        )
    if chosen not in KINDS:
        raise UsageError(f"no preprocessing {kind!r}: choose auto, {', '.join(KINDS)}.")
    return chosen


def _range(spec: DataSpec) -> tuple[float, float]:
    if spec.low is None or spec.high is None:
        raise UsageError(
            f"preprocess 'scale' needs the range of the values, which {spec.name!r} does not state: "
            "use --preprocess minmax or standardize."
        )
    return spec.low, spec.high
