r"""TeX as people read it: `$O(n^2)$` is O(n²), `Erd\H{o}s` is Erdős.

Only what is TeX beyond doubt is touched: math between dollar signs, macros, accents and
escapes. Each such piece is translated whole, by pylatexenc, or stays as it was written.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from pylatexenc import latex2text, latexwalker
from pylatexenc.latexwalker import LatexNode
from pylatexenc.macrospec import LatexContextDb, MacroSpec

LONGEST = 5_000  # characters; the longest abstract arXiv takes has 1,920

_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+\}"
_BODY = r"(?:\\.|[^$\\]){1,400}+"

# Dollars enclose math where signs of TeX stand between them, or else where they hug what is
# neither two words side by side nor followed by a digit: "$5 and $10" are prices.
_PIECE = re.compile(
    rf"""
      \$\$(?P<display>{_BODY})\$\$
    | \$(?=[^$\\^_{{}}]*+[\\^_{{}}])(?P<math>{_BODY})\$
    | \$(?!\s)(?![^$]*[A-Za-z]{{2}}[\s,]+[A-Za-z]{{2}})(?P<plain>[^$\\]{{1,100}}+)(?<!\s)\$(?!\d)
    | \\\((?P<inline>(?:(?!\\[()]).){{1,400}}+)\\\)
    | \\\[(?P<block>(?:(?!\\[\[\]]).){{1,400}}+)\\\]
    | (?P<cite>[ ~]*\\cite[a-z]*\*?(?:\[[^\]]*+\]){{0,2}}\{{[^{{}}]*+\}})
    | ``(?P<quoted>[^`']{{1,400}}+)''
    | (?P<text>
          (?=\{{\\){_GROUP}
        | \\[`'^"~=.]\s*(?:{_GROUP}|\\[ij](?![A-Za-z])|[A-Za-z])
        | \\[uvHckdbr](?:{_GROUP}|\s+(?:\\[ij](?![A-Za-z])|[A-Za-z]))
        | \\(?:[oOlLij]|ae|AE|oe|OE|aa|AA|ss)(?![A-Za-z])(?:\{{\}}|\s+(?=[a-z]))?
        | \\[A-Za-z]+\*?(?:\[[^\[\]]{{0,100}}\])?(?:{_GROUP}){{0,3}}
        | \\[%&#_${{}}\\,;:! -]
      )
    """,
    re.VERBOSE | re.DOTALL,
)
_UP = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφχ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵡ",
        strict=True,
    )
) | {"∘": "°", "*": "*", "∗": "*", "'": "′", "†": "†", "⊤": "ᵀ"}
_DOWN = dict(
    zip(
        "0123456789+-=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
_SCRIPTS = {"^": _UP, "_": _DOWN}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Macros that only dress their argument. Its plain letters are read well everywhere, by
# screen readers too; Unicode's mathematical alphabets are not.
_DRESS = _words(
    "bm boldsymbol emph ensuremath mathbf mathcal mathit mathop mathrm mathscr mathsf mathtt mbox "
    "operatorname pmb text textbf textit textmd textnormal textrm textsc textsf textsl texttt "
    "textup underline url"
)
_FRACTIONS = _words("frac nicefrac tfrac dfrac")
_SILENT = _words(
    "em it bf sc tt rm sf sl itshape bfseries scshape displaystyle textstyle small large left "
    "right big Big bigg Bigg bigl bigr Bigl Bigr limits nolimits xspace protect ! - /"
)
_NAMES = _words(
    "arg argmax argmin deg det dim exp gcd hom inf ker lim liminf limsup ln log max min Pr sup "
    "arccos arcsin arctan cos cosh cot sec sin sinh tan tanh"
)
_ACCENTS = _words(
    "acute bar breve check ddot dot grave hat tilde vec not ' ` \" ^ ~ = . c H k b d r u v"
)
_WIDE_ACCENTS = {"overline": "bar", "widehat": "hat", "widetilde": "tilde"}
_OTHER_SYMBOLS = {"%": "%", "\\": " ", "colon": ":", "lbrace": "{", "rbrace": "}", "|": "‖"}
# arXiv writes the degree sign as {\\deg}; the others are what authors define most.
_AS_PROSE = {"deg": "°", "ie": "i.e.", "eg": "e.g.", "etc": "etc.", "textapprox": "≈"}
# Environments, verbatim text and invisible delimiters.
_NOT_FOR_LINES = re.compile(r"\\(?:begin|end|verb|(?:left|right)\s*\.)")


def readable(text: str) -> str:
    """The text with its TeX as Unicode, and every run of white space one space.

    What cannot be translated whole stays as it was, as do dollars that are prices. Text
    over 5,000 characters keeps its TeX.
    """
    if len(text) <= LONGEST:
        text = _PIECE.sub(_translated, text)
    return " ".join(text.split())


def _translated(piece: re.Match[str]) -> str:
    kind = piece.lastgroup or ""
    inside = piece[kind]
    if kind == "cite":
        return ""
    if kind == "quoted":
        return f"“{inside}”"
    try:
        return _read(_parsed(inside), is_math=kind != "text")
    except (latexwalker.LatexWalkerError, _Unreadable):
        return piece[0]


class _Unreadable(Exception):  # never leaves this module
    """The piece holds something there is no good reading for."""


def _parsed(source: str) -> list[LatexNode]:
    if source.count("{") > 60 or _NOT_FOR_LINES.search(source):
        raise _Unreadable
    # An author's bare % is a percent sign, not a comment.
    source = re.sub(r"(?<!\\)%", r"\\%", source)
    walker = latexwalker.LatexWalker(source, latex_context=_grammar(), tolerant_parsing=False)
    nodes: list[LatexNode] = walker.get_latex_nodes()[0]
    return nodes


def _read(nodes: Iterable[LatexNode], is_math: bool) -> str:
    """Join what the nodes say; in math, raise and lower what follows ^ and _."""
    text, script = "", ""
    for part in _parts(nodes, is_math):
        if is_math and part in _SCRIPTS:
            if script:
                raise _Unreadable
            script = part
        elif script and part.strip():
            text += _scripted(script, part)
            script = ""
        else:
            text += " " + part if part in _NAMES and text[-1:].isalnum() else part
    if script:
        raise _Unreadable
    return text


def _parts(nodes: Iterable[LatexNode], is_math: bool) -> Iterator[str]:
    """The characters and constructs of the nodes, and the spaces that matter after macros."""
    before = ""
    for node in nodes:
        if node.isNodeType(latexwalker.LatexCharsNode):
            yield from node.chars
        elif node.isNodeType(latexwalker.LatexGroupNode):
            yield _read(node.nodelist, is_math)
        elif node.isNodeType(latexwalker.LatexMathNode):
            yield _read(node.nodelist, is_math=True)
        elif node.isNodeType(latexwalker.LatexMacroNode):
            sign = _macro(node, is_math)
            yield sign
            if not _arguments(node) and (before.isspace() or (is_math and sign[-1:].isalnum())):
                yield node.macro_post_space
        elif node.isNodeType(latexwalker.LatexSpecialsNode) and node.specials_chars != "&":
            yield " " if node.specials_chars == "~" else node.specials_chars
        else:
            raise _Unreadable
        before = node.chars[-1:] if node.isNodeType(latexwalker.LatexCharsNode) else ""


def _macro(node: LatexNode, is_math: bool) -> str:
    name = node.macroname
    in_math = is_math and not name.startswith("text")
    arguments = [_read([one], in_math) for one in _arguments(node)]
    if name in _SILENT:
        return ""
    if name in _AS_PROSE and not is_math:
        return _AS_PROSE[name]
    if name in _NAMES:
        return str(name)
    if name in _DRESS and arguments:
        return arguments[-1]
    if name in _FRACTIONS and len(arguments) == 2:
        return "/".join(map(_bracketed, arguments))
    if name == "sqrt" and len(arguments) == 1:
        under = arguments[0]
        return f"√{under}" if len(under) == 1 or under.isdecimal() else f"√({under})"
    if name == "footnote" and not is_math:
        return f" ({arguments[-1]})"
    if name == "href" and len(arguments) == 2:
        return f"{arguments[1]} ({arguments[0]})"
    if name == "mathbb" and re.fullmatch("[A-Za-z0-9]+", arguments[-1]):
        return _by_pylatexenc(name, arguments[-1])
    if name in _ACCENTS or name in _WIDE_ACCENTS:
        return _accented(name, "".join(arguments).strip())
    if arguments or name not in _symbols():
        raise _Unreadable
    return _symbols()[name]


def _arguments(node: LatexNode) -> list[LatexNode]:
    return [one for one in node.nodeargd.argnlist if one is not None] if node.nodeargd else []


def _accented(name: str, letter: str) -> str:
    """One letter with its accent; over several, one accent each would read as something else."""
    dotless = {"ı": "i", "ȷ": "j"}.get(letter, letter)
    if len(dotless) != 1 or not (dotless.isalpha() or name == "not"):
        raise _Unreadable
    return _by_pylatexenc(_WIDE_ACCENTS.get(name, name), dotless)


def _bracketed(part: str) -> str:
    return part if len(part) == 1 or (part.isascii() and part.isalnum()) else f"({part})"


def _scripted(script: str, part: str) -> str:
    """`part` in small signs where Unicode has them all and it is no word, else after ^ or _."""
    part = part.strip()
    if re.fullmatch("[A-Za-z]{3,}", part):
        return script + part
    signs = [_SCRIPTS[script].get(sign) for sign in part]
    if all(signs):
        return "".join(sign for sign in signs if sign)
    return script + _bracketed(part)


def _by_pylatexenc(name: str, argument: str) -> str:
    read: str = latex2text.LatexNodes2Text().latex_to_text(f"\\{name}{{{argument}}}")
    return read


@cache
def _grammar() -> LatexContextDb:
    grammar = latexwalker.get_default_latex_context_db()
    taught = [MacroSpec(name, "{") for name in ("bm", "boldsymbol", "pmb", "mathop", "textnormal")]
    taught += [MacroSpec("tfrac", "{{"), MacroSpec("dfrac", "{{"), MacroSpec("href", "{{")]
    taught += [MacroSpec("operatorname", "*{")]
    grammar.add_context_category("trendbot", macros=taught, prepend=True)
    return grammar


@cache
def _symbols() -> dict[str, str]:
    """The macros that stand for a sign, as pylatexenc knows them."""
    rules = latex2text.get_default_latex_context_db()
    specs = rules.iter_macro_specs(["latex-base", "advanced-symbols"])
    known = {spec.macroname: spec.simplify_repl for spec in specs if spec.macroname != "today"}
    signs = {name: sign for name, sign in known.items() if isinstance(sign, str) and sign}
    return {name: sign for name, sign in signs.items() if "%" not in sign} | _OTHER_SYMBOLS
