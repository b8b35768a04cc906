"Checks the site in _docs, README.md and CHANGELOG.md: links, anchors, pictures and their texts, requests to other hosts, what did not render."
import re, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs import alone, cfg, for_github, on_github, root, site
from fastcore.nbio import read_nb

class Page(HTMLParser):
    "What `check_docs` needs from a page: its anchors, links, what it loads, its pictures and its text"
    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.pictures, self.text, self.code = {''}, [], [], [], '', 0
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.ids.add(a.get('id'))
        if tag == 'a' and a.get('href'): self.links.append(a['href'])
        if tag == 'link': self.loads.append(a['href'])
        if a.get('src'): self.loads.append(a['src'])
        if tag == 'img': self.pictures.append((a['src'][:60], a.get('alt')))
        self.code += tag in ('pre', 'code', 'script', 'style')

    def handle_endtag(self, tag): self.code -= tag in ('pre', 'code', 'script', 'style')
    def handle_data(self, data): self.text += '' if self.code else data

def problems():
    "Everything wrong with the site, one line each"
    pages = {p.resolve(): Page(p) for p in site.rglob('*.html') if p != site/alone}
    for path, page in pages.items():
        here = path.relative_to(site)
        for link in page.links + page.loads:
            u = urlsplit(link)
            if u.scheme or u.netloc:
                if link in page.loads and u.scheme != 'data': yield f'{here}: loads {link}'
                continue
            target = (path.parent/unquote(u.path)).resolve() if u.path else path
            if not target.exists(): yield f'{here}: dead link {link}'
            elif target in pages and unquote(u.fragment) not in pages[target].ids: yield f'{here}: no such anchor {link}'
        for src, alt in page.pictures:
            if not alt: yield f'{here}: a picture without a text (#| fig-alt: or ![text](...)): {src}'
        for ref in re.findall(r'(?<!\w)(?:@(?:fig|tbl|eq|sec)-\w+|\{#\w+|\$\$)', page.text): yield f'{here}: not rendered: {ref}'
        for ref in re.findall(r'\]\(\S+\)', page.text): yield f'{here}: no link, since code in it links by itself: {ref}'
    for css in site.rglob('*.css'):
        for url in re.findall(r'(?:url\(|@import )["\']?(https?:[^)"\']+)', css.read_text(encoding='utf-8')):
            yield f'{css.relative_to(site)}: loads {url}'
    for nb in cfg.nbs_path.rglob('[!.]*.ipynb'):
        rest = re.sub(r'(?m)^(# .*|> .*|- \S.*:.*)$', '', read_nb(nb).cells[0].source)
        if rest.strip(): yield f'{nb.relative_to(root)}: text in the title cell is not shown; begin it in the next cell'
    for name, page in on_github.items():
        text = for_github(page)
        if (root/name).read_text(encoding='utf-8') != text: yield f'{name}: differs from nbs/{page}.ipynb; run make docs'
        for link in re.findall(r'(?:\]\(|src=")(?!\w+:|#)([^)"\s]+)', text):
            if not (root/link).exists(): yield f'{name}: dead link {link}'

if __name__ == '__main__':
    found = list(problems())
    print(*found, sep='\n', end='\n' if found else '')
    print(f'{len(found)} problems in the site')
    sys.exit(bool(found))
