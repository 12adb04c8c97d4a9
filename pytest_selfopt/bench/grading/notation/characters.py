"""Characters that numbers are written with, as parts of regular expressions."""

from __future__ import annotations

# Letters of the alphabets whose words are set apart by spaces: digits that follow one are part of its word. After a
# letter of another writing, such as Chinese, a number begins.
LETTER = "A-Za-zªµºÀ-ÖØ-öø-ʯͰ-ϿЀ-ԯ"
HYPHENS = "-\u2010\u2011"
MINUSES = "-\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
SIGNS = f"+{MINUSES}"
SIGN = rf"[+\{MINUSES}]?"
CURRENCIES = "$€£¥₹₽₩₺₪₫¢₱₦₴₡₲₵₸₼₾₿฿￥＄￡"
CURRENCY_CODES = r"(?:USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|INR|CNY|RMB|SEK|NOK|DKK|PLN|RUB|BRL|MXN|Rs\.?|Fr\.|kr\.?)"
BLANK = " \u00a0\u2007\u2009\u202f"
APOSTROPHES = "'\u2019"
VULGAR = "¼-¾⅐-⅞"
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
SLASHES = "/\u2044\u2215"

TEX_GAP = (
    r"(?:\\[,;:>! ]|\{(?:\\[,;:! ]|[ ~])\}|\\text\{[ ~]\}"
    r"|\\(?:thinspace|enspace|nobreakspace)(?:\{\}| )?|&(?:nbsp|thinsp|#160|#8239);)"
)
"""What TeX and HTML write for a narrow space."""
GAP = rf"(?:[{BLANK}~]|{TEX_GAP})"
