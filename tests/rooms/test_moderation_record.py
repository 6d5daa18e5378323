"""What moderators did can be read by reviewers, and is proven by the bundle like the rest of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from compliance import timeline
from compliance.verifier import verify_bundle
from recording import kinds, seal
from recording.keys import SigningKeys
from recording.trail import Draft
from tests.compliance.sealed import build, export
from tests.rooms.house import House
from tests.rooms.moderated import Stage, open_stage


@pytest.fixture
async def stage(house: House) -> Stage:
    return await open_stage(house)


async def nothing_disclosed(_session: str) -> Sequence[Mapping[str, Any]]:
    return []


async def _everything(stage: Stage) -> None:
    """Each act once, and undone."""
    said = await stage.say(stage.viewer, "一")
    await stage.do("pin", said["id"])
    await stage.do("unpin")
    for act in ("mute", "shadow", "ban"):
        view = await stage.do(act, said["id"], reason="够了")
        await stage.undo(view["acts"][0]["act"])
    await stage.undo((await stage.do("remove", said["id"]))["acts"][0]["act"])
    await stage.do("rules", premoderated=True)
    held = [await stage.say(stage.other, words) for words in ("二", "三")]
    await stage.do("release", held[0]["id"])
    await stage.do("reject", held[1]["id"])
    await stage.do("shadow", said["id"])


async def test_a_moderated_show_is_read_and_proven(stage: Stage, tmp_path: Path) -> None:
    house = stage.house
    await _everything(stage)
    show = (await house.api("adviser-1", "GET", f"/api/sessions/{stage.session}"))[1]["show"]
    assert (await house.api("adviser-1", "POST", f"/api/shows/{show}/end"))[0] == 200
    keys = SigningKeys(tmp_path / "keys")
    compliance = build(house.db, house.clock, tmp_path, texts=nothing_disclosed)
    async with house.db.write() as tx:
        [ended] = await house.trail.entries(tx, stage.session, kinds={kinds.SESSION_ENDED})
        gap = {"stream": "host", "from_ms": 0, "to_ms": ended.media_ms, "reason": "not_started"}
        await house.trail.append(tx, stage.session, Draft(kinds.GAP, "recording", gap))
        await seal.seal_session(tx, house.clock, house.trail, keys.signer(), stage.session)

    said = {kind for kind in kinds.KINDS if kind.startswith(("comment", "person_", "room_"))}
    for lang in ("en", "zh"):
        lines = (await timeline.read(house.db, house.trail, house.clock, stage.session, lang)).lines
        assert {one.kind for one in lines} >= said
        assert all(one.lane == "comments" and "{" not in one.text for one in lines if one.kind in said)
    [ban] = [one for one in lines if one.kind == kinds.PERSON_BANNED]
    assert ban.text == "adviser-1 移出 李**：够了"
    [rules] = [one for one in lines if one.kind == kinds.ROOM_RULES_CHANGED]
    assert rules.text == "adviser-1 修改评论规则：每 0 秒一条，先审后发：是"
    assert await stage.refused("rules", slow_s=5) == (409, "trail_sealed")

    [key] = keys.public()
    report = verify_bundle(await export(compliance, stage.session), str(key).encode())
    assert report.ok, report.to_text()
