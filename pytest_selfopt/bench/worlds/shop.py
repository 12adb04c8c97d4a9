"""A shop: articles in stock, a cart, and orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_selfopt.bench.environment import Environment, ToolError, tool


class Shop(Environment):
    """Articles with price (cents) and stock, one customer's cart and orders. `start` holds `articles` and `address`."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Open the shop."""
        self.articles: dict[str, dict[str, int]] = {}
        for name, article in start.get("articles", {}).items():
            self.articles[name] = dict(article)
        self.cart: dict[str, int] = dict(start.get("cart", {}))
        self.orders: list[dict[str, Any]] = list(map(dict, start.get("orders", [])))
        self.address = str(start.get("address", ""))

    @tool
    def search_articles(self, words: str) -> list[dict[str, Any]]:
        """Search articles whose name holds these words; prices are in cents."""
        articles: list[dict[str, Any]] = []
        for name, article in self.articles.items():
            if words.casefold() in name.casefold():
                articles.append({"article": name, **article})
        return articles

    @tool
    def add_to_cart(self, article: str, quantity: int = 1) -> str:
        """Put an article into the cart."""
        stock = self._article(article)["stock"]
        wanted = self.cart.get(article, 0) + quantity
        if quantity < 1:
            raise ToolError("the quantity has to be at least 1")
        if wanted > stock:
            raise ToolError(f"only {stock} of {article!r} are in stock")
        self.cart[article] = wanted
        return f"{wanted} of {article!r} in the cart"

    @tool
    def remove_from_cart(self, article: str) -> str:
        """Take an article out of the cart."""
        if article not in self.cart:
            raise ToolError(f"{article!r} is not in the cart")
        del self.cart[article]
        return f"{article!r} is out of the cart"

    @tool
    def show_cart(self) -> dict[str, Any]:
        """Show the cart and what it costs, in cents."""
        return {"articles": self.cart, "total": self._total()}

    @tool
    def set_address(self, address: str) -> str:
        """Set the address that orders are sent to."""
        self.address = address
        return f"orders go to {address}"

    @tool
    def place_order(self) -> dict[str, Any]:
        """Order what is in the cart; it is sent to the address that is set."""
        if not self.cart:
            raise ToolError("the cart is empty")
        if not self.address:
            raise ToolError("there is no address to send the order to")
        order = {
            "number": len(self.orders) + 1,
            "articles": dict(self.cart),
            "total": self._total(),
            "address": self.address,
            "status": "placed",
        }
        for article, quantity in self.cart.items():
            self.articles[article]["stock"] -= quantity
        self.orders.append(order)
        self.cart = {}
        return order

    @tool
    def cancel_order(self, number: int) -> str:
        """Cancel an order, so that its articles are in stock again."""
        order = self._order(number)
        if order["status"] != "placed":
            raise ToolError(f"order {number} is {order['status']} already")
        order["status"] = "cancelled"
        for article, quantity in order["articles"].items():
            self.articles[article]["stock"] += quantity
        return f"order {number} is cancelled"

    def _article(self, name: str) -> dict[str, int]:
        if name not in self.articles:
            raise ToolError(f"there is no article {name!r}")
        return self.articles[name]

    def _order(self, number: int) -> dict[str, Any]:
        for order in self.orders:
            if order["number"] == number:
                return order
        raise ToolError(f"there is no order {number}")

    def _total(self) -> int:
        prices = [self._article(name)["price"] * quantity for name, quantity in self.cart.items()]
        return sum(prices)
