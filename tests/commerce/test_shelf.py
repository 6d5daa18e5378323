"""The shelf: every change on the record, one pin at most, the products in their zones."""

from __future__ import annotations

import pytest

from commerce import catalogue, demo_data, errors, shelf
from commerce.demo_products import PRODUCTS
from compliance import lexicon
from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from recording import kinds
from tests.commerce.conftest import BOND, HOST, MIXED, Market


async def put(market: Market, *ids: str) -> shelf.ShelfState:
    async with market.db.write() as tx:
        return await shelf.put(tx, market.trail, market.session, HOST, ids)


async def pin(market: Market, product: str | None) -> shelf.ShelfState:
    async with market.db.write() as tx:
        return await shelf.pin(tx, market.trail, market.session, HOST, product)


async def test_a_new_shelf_is_trailed_with_its_terms(market: Market) -> None:
    state = await put(market, MIXED, BOND)
    entry = (await market.entries(kinds.SHELF_CHANGED))[-1]
    assert (entry.seq, entry.actor) == (state.seq, HOST.id)
    assert [product["id"] for product in entry.data["products"]] == [MIXED, BOND]
    assert entry.data["products"][0]["risk"] == 3  # issuer says 2, bank 3
    view = state.view(market.clock, "zh")
    assert [(product.id, product.pinned) for product in view.products] == [(MIXED, False), (BOND, False)]
    assert view.products[0].risk == "R3"
    async with market.db.read() as tx:
        assert await shelf.read(tx, market.trail, market.session) == state


async def test_a_pin_moves_and_goes(market: Market) -> None:
    await pin(market, BOND)
    state = await pin(market, MIXED)
    again = await pin(market, MIXED)
    assert again.seq == state.seq
    assert [product.id for product in state.view(market.clock, "en").products if product.pinned] == [MIXED]
    gone = await pin(market, None)
    assert gone.pinned is None
    assert [entry.kind for entry in await market.entries(kinds.PRODUCT_PINNED, kinds.PRODUCT_UNPINNED)] == [
        "product_pinned",
        "product_pinned",
        "product_unpinned",
    ]


async def test_a_pin_outlives_a_change_of_shelf_only_with_its_product(market: Market) -> None:
    await pin(market, BOND)
    assert (await put(market, BOND, MIXED)).pinned == BOND
    assert (await put(market, MIXED)).pinned is None


async def test_a_proposal_adds_without_taking_away(market: Market) -> None:
    await put(market, MIXED)
    async with market.db.write() as tx:
        state = await shelf.add(tx, market.trail, market.session, HOST, BOND)
        same = await shelf.add(tx, market.trail, market.session, HOST, BOND)
    assert [product.id for product in state.products] == [MIXED, BOND]
    assert same.seq == state.seq


async def test_what_can_not_stand_on_a_shelf(market: Market) -> None:
    for ids, problem in (((BOND, BOND), BAD_REQUEST), (("prd-nothing",), NOT_FOUND), (tuple(map(str, range(51))), BAD_REQUEST)):
        with pytest.raises(Refused) as caught:
            await put(market, *ids)
        assert caught.value.problem is problem
    await put(market, MIXED)
    with pytest.raises(Refused) as caught:
        await pin(market, BOND)
    assert caught.value.problem is errors.PRODUCT_NOT_ON_SHELF


async def test_products_stand_in_their_zones(market: Market) -> None:
    async with market.db.read() as tx:
        found = await catalogue.all_products(tx)
    assert [(product.product_class, product.risk) for product in found] == [
        ("deposit", 1), ("deposit", 1), ("wealth", 2), ("wealth", 3), ("fund", 4), ("fund", 5), ("insurance", 2),
    ]  # fmt: skip


async def test_what_suits_a_customer(market: Market) -> None:
    async with market.db.read() as tx:
        for grade, highest in ((None, 0), (1, 1), (3, 3), (5, 5)):
            found = await catalogue.suitable_for(tx, grade, market.clock.now())
            assert max((product.risk for product in found), default=0) == highest


async def test_seeding_again_changes_nothing(market: Market) -> None:
    await market.product(BOND, left=5)
    async with market.db.write() as tx:
        await demo_data.seed(tx, market.clock)
    assert await market.left() == 5


def test_the_demos_words_pass_the_lexicon() -> None:
    for product in PRODUCTS:
        texts = (product.name_zh, product.name_en, product.rate_text_zh, product.rate_text_en)
        for text in (*texts, product.disclosure_zh(), product.disclosure_en()):
            assert not lexicon.hits(text), text
