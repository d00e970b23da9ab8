"""Which model files may be run, and where they are.

Invariants:

- A file is run only if its SHA-256 stands in the manifest or was trusted by a person on the command line.
- A file that has a known name but another digest is a damaged download or a swapped file: nothing starts with it.
- Of the complete sets in the folders of ``edge_agent/inference/places.py`` and in the installation the best is taken,
  or the one that was asked for. Where a person named a folder, its own complete set goes before, and what it lacks
  comes from the installation.
- What is not used is never opened as a network: hashing does not interpret it.

Called once, when a command starts, by its main thread.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.inference.manifest import MANIFEST_FILE, ModelSet, load_manifest, packaged_folder
from edge_agent.inference.places import MODELS_DIR_VARIABLE, NAMED, Place, search_places

PLATE_PARTS = ("detector", "ocr", "ocr-config")
MN04_SET = "gunshot-mn04"
"""The gunshot set whose trunk is somebody else's, and does not come with the installation."""

# An OCR is nothing without the description of its alphabet and size; the detector goes with any of them.
_PLATE_UNITS = (("detector",), ("ocr", "ocr-config"))
MODEL_SUFFIXES = frozenset({".onnx", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class PlateModels:
    """The three files that reading plates takes.

    Attributes:
        set_name: the manifest's name of the set; several joined by "+" where they complete each other, "own" for
            trusted files.
        detector: ONNX, float NCHW in, N x 7 out.
        ocr: ONNX, uint8 NHWC in, N x slots x alphabet out.
        ocr_config: YAML that describes ``ocr``.
        ocr_sha256: lower-case hex digest of ``ocr``, which names its calibration.
    """

    set_name: str
    detector: Path
    ocr: Path
    ocr_config: Path
    ocr_sha256: str


def resolve_plates(
    models_dir: Path | None = None, trusted: Collection[str] = (), name: str | None = None
) -> PlateModels:
    """Find the plate models to run.

    Args:
        models_dir: folder to search, flat or with one folder a model; None means the places of ``places.py``.
        trusted: SHA-256 digests (hex) of unknown files in ``models_dir`` that a person vouches for; they take the
            place of what would be run otherwise.
        name: the set to take, as the manifest calls it; None takes the best that is there.

    Raises:
        ModelError: no complete set, or a file that must not be run; the text says what to do.
        ConfigurationError: ``models_dir`` is no folder, no set of plates is called ``name``, or a trusted digest is
            malformed or matches no file there.
    """
    places = search_places(models_dir)
    digests = checked_digests(trusted)
    if digests and not places:
        raise ConfigurationError("--trust-digest: needs --models-dir, the folder that holds the trusted file.")
    known = {s.name: s for s in load_manifest(packaged_folder()) if s.kind == "plates"}
    if name is not None and name not in known:
        raise ConfigurationError(f"models.plates (--model): got {name!r}, expected one of {', '.join(known)}.")
    parts, set_name = _resolve("plates", name, places, digests)
    missing = [part for part in PLATE_PARTS if part not in parts]
    if missing and name is not None:
        raise _incomplete(known[name], missing, places)
    if missing:
        raise ModelError(f"no plate models: {', '.join(missing)} missing.\n{_plate_remedy(places)}")
    return PlateModels(set_name, parts["detector"], parts["ocr"], parts["ocr-config"], sha256_of(parts["ocr"]))


def resolve_set(name: str, models_dir: Path | None = None) -> Mapping[str, Path]:
    """Find the files of the set called ``name``, by part.

    Raises:
        ModelError: the manifest has no such set, a file of it is nowhere, or one must not be run.
        ConfigurationError: ``models_dir`` is no folder.
    """
    wanted = _known_set(name)
    return _all_of(wanted, tuple(wanted.files), models_dir)


def resolve_part(name: str, part: str, models_dir: Path | None = None) -> Path:
    """Find one file of the set called ``name``, whether or not the others are there.

    Raises:
        ModelError: the manifest has no such set or part, the file is nowhere, or it must not be run.
        ConfigurationError: ``models_dir`` is no folder.
    """
    wanted = _known_set(name)
    if part not in wanted.files:
        raise ModelError(f"model set {name!r}: has no {part}; it has {', '.join(wanted.files)}.")
    return _all_of(wanted, (part,), models_dir)[part]


def _known_set(name: str) -> ModelSet:
    sets = {s.name: s for s in load_manifest(packaged_folder())}
    if name not in sets:
        raise ModelError(f"model set {name!r}: not in {packaged_folder() / MANIFEST_FILE}; it has {', '.join(sets)}.")
    return sets[name]


def _all_of(wanted: ModelSet, needed: Sequence[str], models_dir: Path | None) -> Mapping[str, Path]:
    places = search_places(models_dir)
    parts, _ = _resolve(wanted.kind, wanted.name, places, frozenset())
    missing = [part for part in needed if part not in parts]
    if missing:
        raise _incomplete(wanted, missing, places)
    return parts


def _incomplete(wanted: ModelSet, missing: Sequence[str], places: Sequence[Place]) -> ModelError:
    searched = ", ".join(str(folder) for folder in (*(place.path for place in places), packaged_folder()))
    files = [wanted.files[part] for part in missing]
    listing = "\n".join(f"  {file.name}  sha256 {file.sha256 or 'not pinned'}  ({file.source})" for file in files)
    return ModelError(
        f"model set {wanted.name!r} is incomplete; searched {searched}. Missing:\n{listing}\n"
        f"With the files in a folder: `edge-agent models pull {wanted.name} --from FOLDER`, or name the folder with "
        f"--models-dir FOLDER or {MODELS_DIR_VARIABLE}=FOLDER. {wanted.source}."
    )


def resolve_gunshot(name: str = "gunshot", models_dir: Path | None = None) -> Mapping[str, Path]:
    """Find the files of the gunshot set called ``name``, by part: ``classifier``, or ``trunk`` and ``head``.

    Raises:
        ModelError: as for ``resolve_set``, or the set is not a gunshot set.
        ConfigurationError: ``models_dir`` is no folder.
    """
    kind = _known_set(name).kind
    if kind != "gunshot":
        raise ModelError(f"model set {name!r}: got kind {kind}, expected a set of kind gunshot.")
    return resolve_set(name, models_dir)


def _resolve(
    kind: str, only: str | None, places: Sequence[Place], trusted: frozenset[str]
) -> tuple[dict[str, Path], str]:
    """Return the files by part, and the names of the sets that they are from."""
    packaged = packaged_folder()
    sets = [s for s in load_manifest(packaged) if s.kind == kind and only in (None, s.name)]
    wanted = {part for s in sets for part in s.files}
    known: dict[str, set[str]] = {}
    for file in (file for s in sets for file in s.files.values()):
        if file.sha256 is not None:
            known.setdefault(file.name, set()).add(file.sha256)
    folders = [place.path for place in places]
    own = _by_digest(folders, known, trusted)
    replaced = _trusted_parts(own, trusted)
    parts: dict[str, Path] = {}
    names: list[str] = []
    if any(place.kind == NAMED for place in places):
        parts, names = _pick(sets, own)
        if only is None and set(parts | replaced) != wanted:
            # Taking the packaged set in silence, while a person's own file lies unused in the folder they named, would
            # leave them believing that it runs.
            _refuse_unknown(folders, own, trusted.union(*known.values()))
    if set(parts | replaced) != wanted:
        lent, lenders = _pick(sets, {**_by_digest([packaged], known, frozenset()), **own})
        parts = {**lent, **parts}
        names += [name for name in lenders if name not in names]
    return {**parts, **replaced}, "+".join([*names, "own"] if replaced else names)


def _pick(sets: Sequence[ModelSet], files: Mapping[str, Path]) -> tuple[dict[str, Path], list[str]]:
    """Take the best complete set among ``files``, else the best of each unit of parts that only work together."""
    there = [
        (s, {part: files[f.sha256] for part, f in s.files.items() if f.sha256 and f.sha256 in files}) for s in sets
    ]
    whole = next(((s, parts) for s, parts in there if len(parts) == len(s.files)), None)
    if whole is not None:
        return whole[1], [whole[0].name]
    parts: dict[str, Path] = {}
    names: list[str] = []
    for unit in _PLATE_UNITS if sets and sets[0].kind == "plates" else [(part,) for s in sets for part in s.files]:
        chosen = next(((s, found) for s, found in there if found.keys() >= set(unit)), None)
        if chosen is not None:
            parts |= {part: chosen[1][part] for part in unit}
            names += [chosen[0].name] if chosen[0].name not in names else []
    return parts, names


def _refuse_unknown(folders: Sequence[Path], own: Mapping[str, Path], accepted: Collection[str]) -> None:
    unknown = {digest: path for digest, path in own.items() if digest not in accepted}
    if unknown:
        listing = "\n".join(f"  --trust-digest {digest}  ({path})" for digest, path in sorted(unknown.items()))
        raise ModelError(
            f"{_listed(folders)}: holds files that are not in the manifest, and no complete set without them. "
            f"To run one that you trust, add\n{listing}\n{_plate_remedy([Place(NAMED, f) for f in folders])}"
        )


def _trusted_parts(own: Mapping[str, Path], trusted: frozenset[str]) -> dict[str, Path]:
    """Tell what each trusted file is for by its suffix and by the shapes of its inputs and outputs."""
    parts: dict[str, Path] = {}
    for digest in sorted(trusted):
        path = own[digest]
        part = part_by_shape(path)
        if part in parts:
            raise ConfigurationError(
                f"--trust-digest: {parts[part]} and {path} are both a plate {part}; trust only the one to run."
            )
        parts[part] = path
    return parts


def part_by_shape(path: Path) -> str:
    """Tell what a plate model is for by its suffix and by the shapes of its inputs and outputs.

    Raises:
        ModelError: it is none.
    """
    if path.suffix != ".onnx":
        return "ocr-config"
    # ONNX Runtime takes a fifth of a second to import, and pinned files are told by their digests.
    from edge_agent.inference.session import open_session

    session = open_session(path)
    kind, shape = session.get_inputs()[0].type, session.get_inputs()[0].shape
    if kind == "tensor(float)" and len(shape) == 4 and shape[1] == 3 and session.get_outputs()[0].shape[-1] == 7:
        return "detector"
    if kind == "tensor(uint8)" and len(shape) == 4 and shape[3] in (1, 3):
        return "ocr"
    raise ModelError(
        f"{path}: neither a plate detector (float 1x3xHxW in, Nx7 out) nor a plate OCR (uint8 NxHxWxC in); "
        f"got {kind} {shape}."
    )


def model_files(folder: Path) -> list[Path]:
    """Return the files of ``folder``, and of its folders, that may be models by their suffix; sorted."""
    found = sorted([*folder.glob("*"), *folder.glob("*/*")])
    return [path for path in found if path.suffix in MODEL_SUFFIXES and path.is_file()]


def _by_digest(
    folders: Sequence[Path], known: Mapping[str, Collection[str]], trusted: frozenset[str]
) -> dict[str, Path]:
    """Hash the model files of ``folders``, and refuse a known name with another digest."""
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in model_files(folder)):
        digest = sha256_of(path)
        if path.name in known and digest not in known[path.name] and digest not in trusted:
            expected = " or ".join(sorted(known[path.name]))
            raise ModelError(
                f"{path}: got SHA-256 {digest}, expected {expected}. The file is damaged or is not what its name says: "
                "copy it again, or remove it."
            )
        found.setdefault(digest, path)
    absent = trusted - found.keys()
    if absent:
        raise ConfigurationError(
            f"--trust-digest {sorted(absent)[0]}: no .onnx or .yaml file in {_listed(folders)} has it; "
            "compare with sha256sum."
        )
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, lower-case hex.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def checked_digests(trusted: Collection[str]) -> frozenset[str]:
    """Return the digests of ``--trust-digest`` in lower case.

    Raises:
        ConfigurationError: one is no SHA-256.
    """
    for digest in trusted:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise ConfigurationError(f"--trust-digest: got {digest!r}, expected a SHA-256 of 64 hex digits.")
    return frozenset(digest.lower() for digest in trusted)


def _plate_remedy(places: Sequence[Place]) -> str:
    packaged = packaged_folder()
    best = next((s for s in load_manifest(packaged) if s.kind == "plates"), None)
    if best is None:
        return f"{packaged / MANIFEST_FILE} names no plate models. Install the package again."
    listing = "\n".join(
        f"  {f.name}\n    sha256 {f.sha256 or 'not pinned'}\n    {f.source}" for f in best.files.values()
    )
    return (
        f"Searched {_listed([*(place.path for place in places), packaged])}. "
        f"These files are wanted (set {best.name!r}, {best.licence}):\n{listing}\n"
        f"Source: {best.source} (model releases).\n"
        f"With the files in a folder: `edge-agent models pull {best.name} --from FOLDER`, or name the folder with "
        f"--models-dir FOLDER or {MODELS_DIR_VARIABLE}=FOLDER.\n"
        "Without: `edge-agent models pull` fetches what fast-alpr publishes.\n"
        "Another detector or OCR of the same form is accepted with --trust-digest SHA256."
    )
