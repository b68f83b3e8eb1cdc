"""A step that fails is told as not held, ends the story, and stands in the report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from glasslock.demo.story import StepFailed, Story
from glasslock.errors import SealMismatch


def test_steps_are_counted_and_told(tmp_path: Path) -> None:
    out = io.StringIO()
    story = Story(out)
    story.open_chapter(1, "a messenger")
    with story.step("water is wet") as step:
        step.fact("measured: 1 drop")
        step.require(holds=True, otherwise="it is dry")
    story.close(total=1)
    story.write_json(tmp_path / "story.json", total=1)
    report = json.loads((tmp_path / "story.json").read_text())
    assert "ok  water is wet" in out.getvalue()
    assert "story: 1 of 1 steps held" in out.getvalue()
    assert report["held"] == report["total"] == 1
    assert report["steps"][0]["facts"] == ["measured: 1 drop"]


def test_a_claim_that_fails_is_not_held() -> None:
    out = io.StringIO()
    story = Story(out)
    with pytest.raises(StepFailed), story.step("fire is cold") as step:
        step.require(holds=False, otherwise="it burned")
    assert story.held == 0
    assert "NOT fire is cold" in out.getvalue()
    assert "it burned" in out.getvalue()


def test_an_error_inside_a_step_is_named() -> None:
    out = io.StringIO()
    story = Story(out)
    with pytest.raises(StepFailed), story.step("the seal holds"):
        raise SealMismatch("row 3 differs")
    assert "SealMismatch: row 3 differs" in out.getvalue()
