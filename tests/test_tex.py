"""TeX is translated whole or not at all, and what is no TeX is left alone."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trendbot.tex import LONGEST, readable

SIGNS = (
    r"\ $ { } ^ _ & % # ~ ` ' [ ] ( ) $$ \( \) \[ \] \' \" \c \frac \sqrt \hat \text \left \right."
    r" \begin{a} \end{a} \verb| \cite{ \emph{ \mathbb{ \not \\ \\$ a b 1 é"
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"Sorting in $O(n^2)$ time", "Sorting in O(n²) time"),
        (r"V$\hat{\text{e}}$LO: faster speech", "VêLO: faster speech"),
        (r"$\alpha$-stable noise", "α-stable noise"),
        (r"An $n$-gram $k$NN in $3$D", "An n-gram kNN in 3D"),
        (r"256$\times$256 pixels", "256×256 pixels"),
        (r"$\sim$10$\times$ faster", "∼10× faster"),
        (r"$x_{t+1}$ and $x_i^2$", "xₜ₊₁ and xᵢ²"),
        (r"$L_{\text{train}}$, $\ell_\infty$", "L_train, ℓ_∞"),
        (r"$10^{-3}$ at $90^\circ$", "10⁻³ at 90°"),
        (r"$\tilde{\mathcal{O}}(n^{2+\epsilon})$", "Õ(n^(2+ϵ))"),
        (r"$f: \mathbb{R}^d \to \mathcal{X}$", "f: ℝᵈ → X"),
        (r"$\frac{a+b}{2}$ and $\sqrt{n\log n}$", "(a+b)/2 and √(n log n)"),
        (r"$A^{\top}$, $\mathbf{x}^*$", "Aᵀ, x*"),
        (r"$\{0,1\}^n$ with $a\leq b$", "{0,1}ⁿ with a≤b"),
        (r"$2^{2^{n}}$", "2^(2ⁿ)"),
        (r"$\left(x\right)$ \(y^2\) \[z\] $$w$$", "(x) y² z w"),
        (r"$95\%$ and $95%$", "95% and 95%"),
        (r"Poincar\'e, G\"odel, Erd\H{o}s, Fran\c cois", "Poincaré, Gödel, Erdős, François"),
        (r"{\'E}va \v{S}imek, S\o ren, \L{}ukasz, na\"{\i}ve", "Éva Šimek, Søren, Łukasz, naïve"),
        (r"60\% of \emph{all} \textbf{bold $x^2$} words", "60% of all bold x² words"),
        (r"{\em very} good, {\bf bold}", "very good, bold"),
        (r"As shown in~\cite{lee20}, it works \citep[p.~3]{b}.", "As shown in, it works."),
        (r"Code: \url{https://example.org/a_b}.", "Code: https://example.org/a_b."),
        (r"\href{https://example.org}{Here}", "Here (https://example.org)"),
        (r"Fast\footnote{Code will follow} (\ie, quick)", "Fast (Code will follow) (i.e., quick)"),
        (r"turned by 90{\deg}", "turned by 90°"),
        ("``Deep'' learning", "“Deep” learning"),
        (r"costs \$5 \& more", "costs $5 & more"),
        ("A  title\n wrapped", "A title wrapped"),
    ],
)
def test_tex_reads_as_unicode(written: str, read: str) -> None:
    assert readable(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "from $5 to $10",
        "costs $5-$10 a piece",
        "between $100 (cheap) and US$200 (dear)",
        "$100 in cash, or 80$ in bonds",
        "50% of AT&T's C# code -- a_b, x^2, ~5 ms, 'quoted' \"words\"",
        "sets {1, 2} and {B}ayes, n/3<f<n/2",
        r"the \ourmethod model",
        r"$\ourmethod{x}$ stays",
        r"$\overline{ab}$ and $x^$ and $_$ and $a & b$",
        r"$\begin{matrix} a \\ b \end{matrix}$",
        r"$\left. x \right|_0$",
        r"an \emph{unclosed group",
        r"$\frac{a}$",
        "$ $ and $$ and $",
        r"\input{/etc/passwd} \today",
    ],
)
def test_what_is_no_tex_or_not_understood_stays(written: str) -> None:
    assert readable(written) == written


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\\$`"), max_size=300))
@example("50% & # ~ _ ^ { } '' -- ---")
def test_plain_text_stays_but_for_white_space(text: str) -> None:
    assert readable(text) == " ".join(text.split())


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(SIGNS.split(" ")) | st.sampled_from([" ", "\n", "\ue000", "ı", "\\ "]),
        max_size=40,
    ).map("".join)
    | st.text(max_size=100).map(lambda text: f"${text}$")
)
@example("{" * 2000)
@example("\\a{" * 1600)
@example("$" + "{" * 60 + "}" * 60 + "$")
@example("$x^" * 1600)
@example("``" * 2500)
def test_no_text_is_too_much(text: str) -> None:
    assert readable(text) == " ".join(readable(text).split())


def test_a_text_beyond_all_bounds_keeps_its_tex() -> None:
    assert readable("$x^2$ " + "a" * LONGEST).startswith("$x^2$ a")
