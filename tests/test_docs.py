"What tools/page.py makes of a page"
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11): pytest.skip('building the site takes Python 3.11', allow_module_level=True)
sys.path.append(str(Path(__file__).parents[1]/'tools'))
from page import Page

def mended(tmp_path, body, name='a.html', **others):
    "A page with this body after `mend`, as elements, beside others"
    pages = {}
    for o,html in {name:body, **{f'{k}.html':v for k,v in others.items()}}.items():
        (tmp_path/o).write_text(f'<!DOCTYPE html>\n<html><body>{html}</body></html>')
        pages[tmp_path.resolve()/o] = Page(tmp_path.resolve()/o)
    page = pages[tmp_path.resolve()/name]
    page.mend('nbs/00_a.ipynb', pages)
    page.save()
    return Page(page.path).html

def code(s, cls='python code-with-copy'): return f'<pre class="sourceCode {cls}"><code class="sourceCode python">{s}</code></pre>'

def test_long_lines(tmp_path):
    "Long lines are elements that know their indent, within what is open in them; the text stays"
    text = '    <span class="fu">f</span>(<span class="st">"""long, and longer than forty characters\n  and another one that is longer than forty"""</span>)\nx\n'
    res = mended(tmp_path, code(text, 'python code-with-copy cell-code')).code
    assert res.text == '    f("""long, and longer than forty characters\n  and another one that is longer than forty""")\nx\n'
    first,second = res.select('.ln')
    assert [o['style'] for o in (first,second)] == ['--n:4','--n:2']
    assert [o.text[-1] for o in (first,second)] == ['\n','\n']
    assert [len(o.select('.st')) for o in (first,second)] == [1,1]

def signature(n): return 'def f(\n    a, # A\n    *, ' + '\n    '.join(f'b{k}<span class="op">=</span>{k},' for k in range(n)) + '\n)->int:'

def test_signature(tmp_path):
    "Each argument is an element without its indent; nine or more that are passed on are folded, and counted"
    few = mended(tmp_path, code(signature(8))).code
    assert len(few.select('.arg'))==9 and not few.details
    many = mended(tmp_path, code(signature(9))).code
    assert len(many.select('details .arg'))==9 and many.summary['data-more']=='9 more that are passed on'
    assert many.select_one('.arg').text == 'a, # A\n'
    short = mended(tmp_path, code('def of_one_line(that_is:int, longer_than_forty_characters:int)')).code
    assert len(short.select('.ln'))==1
    assert many.text.startswith('def f(\na, # A\n*, b0=0,\n') and many.text.endswith('b8=8,\n)->int:')

@pytest.mark.parametrize('cls', ['stdout', 'stderr', 'display'])
def test_output(tmp_path, cls):
    "Columns of what was printed stay, other lines wrap"
    def out(s): return mended(tmp_path, f'<div class="cell-output cell-output-{cls}">\n<pre><code>{s}</code></pre></div>').pre
    row = 'a' + ' '*50 + 'b' + ' '*50 + 'c\n'
    assert out(row*2)['class'] == ['columns'] and not out(row*2).select('.ln')
    assert len(out('a long line '*10).select('.ln')) == 1

def test_links(tmp_path):
    "A link to a symbol without a heading is plain code, others stay; the source is the notebook"
    links = ''.join(f'<a href="{o}"><code>{o}</code></a>' for o in ('b.html#here', 'b.html#gone', '#gone', 'https://x.org/#gone'))
    action = '<a class="toc-action" href="https://github.com/a/b/blob/main/c.ipynb">source</a>'
    html = mended(tmp_path, links+action, b='<h2 id="here">Here</h2>')
    assert [o['href'] for o in html.select('a')] == ['b.html#here', 'https://x.org/#gone', 'https://github.com/a/b/blob/main/nbs/00_a.ipynb']
    assert [o.text for o in html.select('body > code')] == ['b.html#gone', '#gone']

def test_formula(tmp_path):
    "Formulas become MathML, on a line of their own or not, and what would fetch a script for them goes"
    html = mended(tmp_path, r'<span class="math inline">\(a&lt;\frac12\)</span><span class="math display">\[b\]</span><script src="https://x/npm/katex"></script>')
    inline,display = html.select('math')
    assert '<' in inline.text and inline.mfrac and display['display']=='block' and not inline.get('display')
    assert not html.select('script, .math')

def test_names(tmp_path):
    "Parts of a page have names, and nothing else of it changes"
    other = '<svg viewbox="0 0 1 1"><path d="M0 0"></path></svg><b z="1" a="&amp;">&lt;&amp;é</b><script>if (a<b && "</b>") {}</script>'
    html = mended(tmp_path, f'<nav class="navbar" id="n"></nav><table><tr><th></th><th>a</th></tr></table>{other}')
    assert html.nav['aria-label']=='Top' and html.nav['id']=='n'
    assert [o.name for o in html.tr.children] == ['td','th']
    assert other in (tmp_path/'a.html').read_text()
