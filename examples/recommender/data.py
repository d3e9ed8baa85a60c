"""Make a synthetic table of retail invoices with the columns, id formats and ranges of UCI's "Online Retail".

    python data.py [FILE]

The same seed gives the same file, to the byte. Customers have tastes (a few of twelve themes), items have a popularity, so that
a nearest neighbour means something. The ten users and ten items that the load asks for come first, as they do in the original.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).with_name("online_retail.csv")
SEED = 20101201

USERS = ["17850", "13047", "12583", "13748", "15100", "15291", "14688", "17809", "15311", "16098"]
ITEMS = ["85123A", "71053", "84406B", "84029G", "84029E", "22752", "21730", "22633", "22632", "84879"]

CUSTOMERS, STOCK, INVOICES, THEMES = 800, 600, 2400, 12
FIRST_INVOICE = 536365
FIRST_DAY, LAST_DAY = pd.Timestamp("2010-12-01 08:26"), pd.Timestamp("2011-12-09 12:50")

COUNTRIES = {"United Kingdom": 0.90, "Germany": 0.03, "France": 0.03, "EIRE": 0.02, "Spain": 0.01, "Netherlands": 0.01}
COLOURS = ["WHITE", "RED", "PINK", "BLUE", "IVORY", "GREEN", "SILVER", "VINTAGE", "RUSTIC", "RETROSPOT"]
MATERIALS = ["METAL", "WOODEN", "GLASS", "CERAMIC", "KNITTED", "PAPER", "ENAMEL", "WICKER"]
THINGS = [
    "LANTERN",
    "MUG",
    "CAKE STAND",
    "BUNTING",
    "HAND WARMER",
    "CLOCK",
    "PHOTO FRAME",
    "LUNCH BOX",
    "DOORMAT",
    "COASTER",
]


def make(seed: int = SEED) -> pd.DataFrame:
    """About 40,000 invoice lines. As in the original, some are returns (negative) and some have no customer."""
    rng = np.random.default_rng(seed)
    customers, stock = _customers(rng), _stock(rng)
    buyers = _buyers(rng)
    baskets = _baskets(rng, buyers)
    lines = np.concatenate(baskets)
    invoice = np.repeat(np.arange(INVOICES), [len(basket) for basket in baskets])
    minutes = int((LAST_DAY - FIRST_DAY).total_seconds() // 60)
    dates = FIRST_DAY + pd.to_timedelta(np.sort(rng.integers(0, minutes, INVOICES)), unit="min")
    table = pd.DataFrame(
        {
            "InvoiceNo": (FIRST_INVOICE + invoice).astype(str),
            "StockCode": stock["StockCode"].to_numpy()[lines],
            "Description": stock["Description"].to_numpy()[lines],
            "Quantity": np.minimum(np.ceil(rng.lognormal(1.6, 1.1, len(lines))), 4800).astype(int),
            "InvoiceDate": dates.to_numpy()[invoice],
            "UnitPrice": stock["UnitPrice"].to_numpy()[lines],
            "CustomerID": customers["CustomerID"].to_numpy()[buyers[invoice]],
            "Country": customers["Country"].to_numpy()[buyers[invoice]],
        }
    )
    return _with_flaws(rng, table)


def _customers(rng: np.random.Generator) -> pd.DataFrame:
    others = [code for code in map(str, rng.permutation(np.arange(12346, 18288))) if code not in USERS]
    country = rng.choice(list(COUNTRIES), CUSTOMERS, p=list(COUNTRIES.values()))
    return pd.DataFrame({"CustomerID": (USERS + others)[:CUSTOMERS], "Country": country})


def _stock(rng: np.random.Generator) -> pd.DataFrame:
    suffixes = rng.choice(["", "", "", "A", "B", "G"], 4 * STOCK)
    numbers = rng.permutation(np.arange(20000, 90000))[: 4 * STOCK]
    others = [code for code in (f"{n}{s}" for n, s in zip(numbers, suffixes, strict=True)) if code not in ITEMS]
    words = zip(*(rng.choice(choice, STOCK) for choice in (COLOURS, MATERIALS, THINGS)), strict=True)
    return pd.DataFrame(
        {
            "StockCode": (ITEMS + others)[:STOCK],
            "Description": [" ".join(word) for word in words],
            "UnitPrice": np.clip(rng.lognormal(0.9, 0.9, STOCK), 0.04, 295.0).round(2),
        }
    )


def _buyers(rng: np.random.Generator) -> np.ndarray:
    """Whose invoice each one is: the ten users open the file, everybody buys once, then the eager buy more."""
    eagerness = rng.lognormal(0.0, 1.0, CUSTOMERS)
    once = len(USERS) + rng.permutation(CUSTOMERS - len(USERS))
    again = rng.choice(CUSTOMERS, INVOICES - CUSTOMERS, p=eagerness / eagerness.sum())
    return np.concatenate([np.arange(len(USERS)), rng.permutation(np.concatenate([once, again]))])


def _baskets(rng: np.random.Generator, buyers: np.ndarray) -> list[np.ndarray]:
    """The items of each invoice, drawn by popularity times the buyer's liking of the item's theme."""
    popularity = 1 / (10 + rng.permutation(STOCK))
    theme = rng.integers(0, THEMES, STOCK)
    liking = rng.gamma(0.3, 1.0, (CUSTOMERS, THEMES)) + 0.02
    sizes = np.clip(rng.lognormal(2.6, 0.65, len(buyers)), 1, 120).astype(int)
    baskets = []
    for buyer, size in zip(buyers, sizes, strict=True):
        weight = popularity * liking[buyer, theme]
        baskets.append(rng.choice(STOCK, size, replace=False, p=weight / weight.sum()))
    first = np.arange(len(ITEMS))
    baskets[0] = np.concatenate([first, np.setdiff1d(baskets[0], first)])
    return baskets


def _with_flaws(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    """What the original has to be cleaned of: returns, whose invoice numbers begin with C, and lines without a customer."""
    later = table.index >= table.index[table["InvoiceNo"] == str(FIRST_INVOICE + len(USERS))][0]
    fate = rng.random(len(table))
    returned, anonymous = later & (fate < 0.02), later & (fate > 0.97)
    table.loc[returned, "InvoiceNo"] = "C" + table.loc[returned, "InvoiceNo"]
    table.loc[returned, "Quantity"] *= -1
    table.loc[anonymous, "CustomerID"] = None
    return table


def write(file: Path = FILE) -> None:
    """Write the table. Whole or not at all: two services may start at the same time."""
    with tempfile.NamedTemporaryFile(dir=file.resolve().parent, suffix=".csv", delete=False) as draft:
        make().to_csv(draft, index=False, lineterminator="\n")
    whole = Path(draft.name)
    whole.chmod(0o644)
    whole.replace(file)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
