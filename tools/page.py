"What a page of the site has that smalldocs doesn't give it: CSS selectors find elements, which are changed."
import re

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EntitySubstitution
from bs4.formatter import HTMLFormatter
from math_core import LatexToMathML

attributes = {
    'nav.navbar':                             {'aria-label':'Top'},
    'nav.quarto-secondary-nav':               {'aria-label':'Sidebar'},
    'nav#quarto-sidebar':                     {'aria-label':'Pages'},
    'nav.page-navigation':                    {'aria-label':'Previous and next page'},
    '.toc-actions':                           {'aria-label':'Actions', 'role':'navigation'},
    '.sidebar-item a[role=navigation]':       {'role':'button'},
    'script[src$="bootstrap.bundle.min.js"]': {'defer':''}}               # nothing waits for it
dropped = '[href*="npm/katex"], [src*="npm/katex"], [src$="fuse.min.js"]' # formulas are MathML, and the search is another
mathml = LatexToMathML()

class AsWritten(HTMLFormatter):
    "Attributes in the order that they were written in"
    def attributes(self, tag): return tag.attrs.items()

class Page:
    "An HTML page to change; `used` are the selectors that found something on any page"
    used = set()
    def __init__(self, path):
        self.path = path
        self.html = BeautifulSoup(path.read_text(encoding='utf-8'), 'html.parser')
        self.ids = {o['id'] for o in self.html.select('[id]')}

    def find(self, selector):
        "Elements that CSS selects"
        res = self.html.select(selector)
        if res: self.used.add(selector)
        return res

    def mend(self, source, pages):
        "Names what has no name, lets code wrap, makes formulas MathML, leads to the notebook, drops links that lead nowhere"
        for selector,attrs in attributes.items():
            for o in self.find(selector): o.attrs.update(attrs)
        for o in self.find(dropped): o.decompose()
        for o in self.find('th:empty'): o.name = 'td'                         # the corner of a data frame heads nothing
        for o in self.find('span.math'): o.replace_with(formula(o))
        for o in self.find('pre.sourceCode > code'): (wrap_args if is_signature(o) else wrap_lines)(o)
        for o in self.find('.cell-output > pre'):
            if in_columns(o.text): o['class'] = 'columns'
            else: wrap_lines(o.code or o)
        for o in self.find('.toc-action[href*="/blob/"]'): o['href'] = re.sub(r'(?<=/blob/main/).*', source, o['href'])
        for o in self.find('a[href*="#"]:has(> code:only-child)'):            # symbols that have no heading of their own
            to,anchor = o['href'].split('#')
            page = pages.get((self.path.parent/(to or self.path.name)).resolve())
            if page and anchor not in page.ids: o.replace_with(o.code)

    def save(self): self.path.write_text(self.html.decode(formatter=AsWritten(entity_substitution=EntitySubstitution.substitute_xml)), encoding='utf-8')

def tag(name, *children, cls=None, **attrs):
    "A new element"
    res = Tag(name=name, attrs=attrs | ({'class':cls} if cls else {}))
    res.extend(children)
    return res

def formula(o):
    "The MathML of a formula, which needs no script"
    res = mathml.convert_with_local_state(o.text[2:-2], displaystyle='display' in o['class'])
    return BeautifulSoup(res, 'html.parser')

def lines(node):
    "The lines of some code, each a list of nodes within copies of the elements that they are in"
    res = [[]]
    for o in node.children:
        first,*rest = [[tag(o.name, *p, **o.attrs)] for p in lines(o)] if isinstance(o, Tag) else [[p] for p in re.split('(?<=\n)', o)]
        res[-1] += first
        res += rest
    return res

def text(nodes): return ''.join(o if isinstance(o, str) else o.text for o in nodes)

def refill(node, lines):
    "Other content for an element"
    node.clear()
    node.extend(o for line in lines for o in line)

def is_signature(code): return 'cell-code' not in code.parent['class'] and re.match(r'def \w+\(\n {4}', code.text)

def wrap_args(code):
    "Lets each argument of a signature wrap by itself, and folds those that are passed on to others, after a `*`, if they are many"
    rest,passed_on = [],[]
    for line in lines(code):
        is_arg = text(line).startswith('    ')
        if is_arg: line = [tag('span', line[0][4:], *line[1:], cls='arg')]
        (passed_on if is_arg and (passed_on or text(line).startswith('*, ')) else rest).append(line)
    n = sum(o.text=='=' for line in passed_on for o in line[0].select('.op'))
    if n>8:
        more = f'{n} more that are passed on'
        passed_on = [[tag('details', tag('summary', **{'aria-label':more, 'data-more':more}), *(o for line in passed_on for o in line))]]
    refill(code, [*rest[:-1], *passed_on, rest[-1]])

def wrap_lines(code):
    "Lets long lines of code or of text wrap to a deeper indent than their own"
    def wrapped(line):
        s = text(line).rstrip('\n')
        return [tag('span', *line, cls='ln', style=f'--n:{len(s)-len(s.lstrip())}')] if len(s)>40 else line
    refill(code, map(wrapped, lines(code)))

def in_columns(s):
    "Does what a cell printed have columns, which stay as they are?"
    wide = [o for o in s.splitlines() if len(o)>100]
    return len(wide)>1 and all(len(re.findall(r'\S {2,}(?=\S)', o))>1 for o in wide)
