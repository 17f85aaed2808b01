"""Knows the currencies of ISO 4217, and the signs and words that people write for them."""

import re

from iso4217 import Currency

#: ISO 4217 code → digits after the decimal mark. Metals and test codes, which have none, are no money.
#: The last ones were replaced by the euro lately, and older mail has them.
PLACES: dict[str, int] = {each.code: each.exponent for each in Currency if each.exponent is not None} | {
    "BGN": 2,
    "HRK": 2,
}

#: Sign or word, in lower case → ISO code; "-": a currency that it does not name alone.
_SIGN_NAMES = """
    € EUR £ GBP $ USD ¥ JPY ￥ JPY 円 JPY 圓 JPY ₹ INR ₩ KRW ₽ RUB ₺ TRY ₪ ILS ₴ UAH ₫ VND ₦ NGN ₱ PHP ฿ THB ₵ GHS
    ₸ KZT ₼ AZN ₾ GEL ֏ AMD ৳ BDT ₲ PYG ₡ CRC ₭ LAK ៛ KHR ₮ MNT ₨ - 元 CNY 원 KRW
    日元 JPY 美元 USD 欧元 EUR 歐元 EUR 港元 HKD 港币 HKD 韩元 KRW 英镑 GBP 澳元 AUD 加元 CAD 新台币 TWD 卢布 RUB
    ドル USD ユーロ EUR us$ USD usd$ USD mex$ MXN a$ AUD au$ AUD c$ CAD ca$ CAD nz$ NZD s$ SGD
    hk$ HKD nt$ TWD r$ BRL mx$ MXN cn¥ CNY jp¥ JPY
    e£ EGP gh₵ GHS s/ PEN s/. PEN fcfa - cfa -
    euro EUR euros EUR evro EUR ευρώ EUR dollar USD dollars USD dólares USD pound GBP pounds GBP sterling GBP yen JPY
    yuan CNY renminbi CNY rmb CNY 人民币 CNY 人民幣 CNY franken CHF francs CHF fr. CHF sfr CHF sfr. CHF
    kr - kr. - kronor SEK kroner - krónur ISK zł PLN zl PLN złoty PLN złotych PLN kč CZK kc CZK korun CZK ft HUF
    forint HUF lei RON leu RON lej RON лв BGN лв. BGN din RSD дин RSD руб RUB руб. RUB р RUB р. RUB rubles RUB
    грн UAH грн. UAH tl TRY lira TRY nis ILS shekels ILS rs INR rs. INR rupees - rp IDR rp. IDR rupiah IDR rm MYR
    ringgit MYR baht THB vnđ VND đ VND đồng VND dong VND naira NGN ksh KES kshs KES ksh. KES tsh TZS ush UGX rand ZAR
    reais BRL pesos - peso - kd KWD dhs AED dirhams AED درهم AED ريال - ر.س SAR د.إ AED
    ج.م EGP د.ك KWD د.ع IQD د.أ JOD ر.ق QAR ر.ع OMR د.ب BHD ש"ח ILS บาท THB ден MKD ден. MKD тенге KZT so'm UZS lari GEL
    kn HRK dinara RSD dinar - dinars - dh - br - र INR
"""
SIGNS: dict[str, str] = dict(zip(_SIGN_NAMES.split()[::2], _SIGN_NAMES.split()[1::2], strict=True))

#: Sign → the currencies that write themselves with it, of which a rule may choose one.
_SHARED_NAMES = """
    $: USD AUD CAD NZD SGD HKD MXN TWD CLP COP ARS BRL UYU BBD BSD BMD BZD JMD TTD XCD NAD LRD FJD
    £: GBP EGP LBP SYP GIP FKP SHP SDG SSP
    ¥: JPY CNY
    ￥: JPY CNY
    元: CNY TWD HKD
    kr: SEK NOK DKK ISK
    kroner: NOK DKK
    rs: INR PKR LKR NPR MUR SCR
    ₨: INR PKR LKR NPR MUR SCR
    rupees: INR PKR LKR NPR MUR SCR
    peso: MXN ARS CLP COP PHP UYU DOP CUP
    pesos: MXN ARS CLP COP PHP UYU DOP CUP
    fcfa: XOF XAF
    cfa: XOF XAF
    lei: RON MDL
    dinar: RSD KWD BHD JOD IQD DZD TND LYD MKD
    dinars: RSD KWD BHD JOD IQD DZD TND LYD MKD
    dh: AED MAD
    br: ETB BYN
    ريال: SAR QAR OMR YER IRR
"""
_SHARED = {
    sign: frozenset(codes.split())
    for sign, _, codes in (line.strip().partition(": ") for line in _SHARED_NAMES.strip().splitlines())
}
#: Names of several words, in lower case and singular → ISO code.
_NAMES = {each.currency_name.lower(): each.code for each in Currency if each.exponent is not None} | {
    "swedish kronor": "SEK",
    "norwegian kroner": "NOK",
    "danish kroner": "DKK",
    "czech koruna": "CZK",
    "polish zloty": "PLN",
}
_NAME = re.compile(r"\s?([^\W\d_]{2,20}(?: [^\W\d_]{2,20}){1,3})")
#: Codes that are also words or names; as codes they are written in capitals.
_WORD_NAMES = "ALL AMD ANG BAM BOB CHE CHW COP COU CUP DOP ERN GEL LAK MAD MOP MUR NAD PEN SOS TOP TRY"
_WORDS = frozenset(_WORD_NAMES.split())


def find_code(written: str, default: str | None) -> str | None:
    """Return the ISO code of a sign, word or code; "" for a currency that is not sure (kr); None for other text."""
    sign = written.lower()
    if sign[-1:] == "$" and len(sign) > 1 and sign not in SIGNS:  # "AUD$", "HK $", and "of $" with a dollar alone
        letters = sign[:-1].rstrip()
        joined = letters + "$"
        if joined in SIGNS or letters.upper() in _SHARED["$"]:
            return SIGNS.get(joined, letters.upper())
        return find_code("$", default) if " " in sign else ""
    if (code := SIGNS.get(sign)) is not None:
        if default in _SHARED.get(sign.rstrip("."), ()):
            return default
        return "" if code == "-" else code
    code = written.upper()
    return code if code in PLACES and (code not in _WORDS or written == code) else None


def find_name(text: str, at: int) -> tuple[int, str] | None:
    """Return (end, ISO code) of a name of several words at an offset: "Swiss francs", "Hong Kong dollars"."""
    found = _NAME.match(text, at)
    words = found[1].split(" ") if found else []
    for length in range(len(words), 1, -1):
        name = " ".join(words[:length])
        if code := _NAMES.get(name.lower().removesuffix("s")):
            return found.start(1) + len(name) if found else at, code
    return None


def find_remark(remark: str, default: str | None) -> str | None:
    """Return the currency that a remark such as "in EUR" or "€" names."""
    for word in remark.split():
        if code := find_code(word.strip("()[].,:"), default):
            return code
    return None
