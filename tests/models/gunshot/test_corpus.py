"""Which recordings there are, what each is, and on which side of a split it stands."""

from pathlib import Path

import pytest

from models.gunshot import corpus


@pytest.mark.parametrize(
    ("label", "name", "kind"),
    [
        ("1", "MG-42", "gunshot"),
        ("0", "Fireworks", "fireworks"),
        ("0", "jackhammer", "impulsive"),
        ("0", "Glassbreaking", "impulsive"),
        ("0", "street_music", "background"),
    ],
)
def test_rows_get_their_class(label: str, name: str, kind: str) -> None:
    assert corpus.CLASSES[corpus.kind_of(label, name)] == kind


def test_whole_firing_positions_are_held_out(tmp_path: Path) -> None:
    header = "clip,file,start_s,duration_s,label,source,split,dataset,cls"
    rows = [f"{p}/{i},{p}.flac,{i},2.0,{i % 2},{p},{p},live_fire,x" for p in ("FP9", "FP1", "FP4") for i in range(4)]
    (tmp_path / "windows.csv").write_text("\n".join([header, *rows]), encoding="utf-8")

    recordings = corpus.read_live_fire(tmp_path)

    assert len(recordings) == 12
    assert {(r.source, r.fold) for r in recordings} == {("FP1", 0), ("FP4", 1), ("FP9", 2)}
    assert all(r.clean and (r.onset_s == 0.5) == (r.kind == corpus.GUNSHOT) for r in recordings)


def test_a_clips_split_is_its_fold(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "clip,label,dataset,cls,source,split,duration_s,licence,clean,author,source_url\n"
        "a.ogg,1,x,gunshot,s,3,4.0,CC0,1,,\nb.ogg,0,x,dog,t,1,4.0,CC-BY-NC,0,,\n",
        encoding="utf-8",
    )

    recordings = corpus.read_clips(tmp_path)

    assert [(r.fold, r.clean, r.source, r.sound) for r in recordings] == [
        (3, True, "s", "gunshot"),
        (1, False, "t", "dog"),
    ]
