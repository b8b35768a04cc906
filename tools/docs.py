"Builds the site in _docs, README.md and CHANGELOG.md from nbs/, without Quarto. tools/check_docs.py checks the result."
import json, re, shutil, subprocess, sys
from html import escape, unescape

from fastcore.nbio import md_frontmatter, read_nb
from math_core import LatexToMathML
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import _build_modidx, nbglob
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from smalldocs.site import build

cfg = get_config()
root, site, url = cfg.config_path, cfg.doc_path, cfg.doc_url
mathml = LatexToMathML()

# What is too wide scrolls in its own box: it can be reached, and scrolled, from the keyboard, and fades out where there is more
scroll_by_key = '''
const boxes = () => document.querySelectorAll("main :is(pre, p:has(> math), .sd-table, .cell-output)");
const fade = (o) => o.classList.toggle("sd-more", o.scrollLeft + o.clientWidth < o.scrollWidth - 1);
new ResizeObserver(() => boxes().forEach((o) => {
  if (o.scrollWidth > o.clientWidth + 1) o.tabIndex = 0; else o.removeAttribute("tabindex");
  fade(o);
})).observe(document.body);
boxes().forEach((o) => o.addEventListener("scroll", () => fade(o), { passive: true }));
'''

def edit(path, *subs):
    "Replaces patterns, `(regex, replacement)`, in a file"
    text = path.read_text(encoding='utf-8')
    for pattern, repl in subs: text = re.sub(pattern, repl, text)
    path.write_text(text, encoding='utf-8')

def stage():
    "Runs nbdev's processors; names pages as nbdev's links do (00_data to data); makes those links relative"
    refresh_quarto_yml()
    _build_modidx()
    pages = proc_nbs(force=True)
    for nb in list(pages.rglob('*.ipynb')):
        up = '../' * (len(nb.relative_to(pages).parts) - 1)
        edit(nb, (r'\]\(' + re.escape(url) + '/', rf']({up}'),                 # nbdev's links to the published site
                 (r'(\]\((?!\w+:)[^)\s]*?)\b\d+[a-z]?_(\w+\.ipynb)', r'\1\2'), # links between notebooks
                 (r'__main__\.|:NoneType(?==None)', ''),                       # types in signatures
                 (r'(\w:|-\\u003e|->|\| )(?:fastai|siamese_verify|pathlib|collections)\.(?:\w+\.)*(?=[A-Z])', r'\1'),
                 (r'("#+ \w+\.)__(\w+)__', r'\1\\\\_\\\\_\2\\\\_\\\\_'),       # headings of special methods are not bold
                 (r'"output-file: [^"]*",\s*', ''))
        nb.rename(nb.with_name(nbpath2html(nb).stem + '.ipynb'))
    edit(pages/'_quarto.yml', (r'\b\d+[a-z]?_(\w+\.ipynb)', r'\1'), ('left: "siamese_verify', rf'\g<0> {cfg.version}'))
    return pages

def to_mathml(m):
    "The MathML of a formula, which needs no script"
    return mathml.convert_with_local_state(unescape(m[2]), displaystyle=m[1] == 'display')

def to_args(m):
    "The arguments of a signature, of which each can wrap by itself; those that are passed on to others, after a `*`, are folded"
    args = re.sub(r'(?m)^ {4}(.*\n)', r'<span class="arg">\1</span>', m[2])
    star = args.find('<span class="arg"><span class="op">*</span>, ')
    own,passed_on = (args[:star],args[star:args.rindex('\n</span>')+8]) if star>0 else (args,'')
    n = passed_on.count('<span class="op">=</span>')
    if n<9: return m[1] + args
    more = f'{n} more that are passed on'
    fold = f'<details><summary aria-label="{more}" data-more="{more}"></summary>{passed_on}</details>'
    return m[1] + own + fold + args[star+len(passed_on):]

def whole_lines(html):
    "The lines of highlighted code, each with the tags that are open in it"
    tags = []
    for line in html.split('\n'):
        start = ''.join(tags)
        for tag in re.findall('<span[^>]*>|</span>', line): tags.pop() if tag == '</span>' else tags.append(tag)
        yield start + line + '</span>'*len(tags)

def to_lines(m):
    "Long lines of code or of text, which wrap to a deeper indent than their own"
    if 'class="arg"' in m[2]: return m[0]
    res,last = [],m[2].count('\n')
    for k,line in enumerate(whole_lines(m[2])):
        text = unescape(re.sub('<[^>]*>', '', line))
        end = '\n' if k<last else ''
        n = len(text)-len(text.lstrip())
        res.append(f'<span class="ln" style="--n:{n}">{line}{end}</span>' if len(text)>40 else line+end)
    return m[1] + ''.join(res)

def to_output(m):
    "What a cell printed: columns stay as they are, other lines wrap"
    wide = [o for o in unescape(m[3]).splitlines() if len(o)>100]
    columns = len(wide)>1 and all(len(re.findall(r'\S {2,}(?=\S)', o))>1 for o in wide)
    return f'{m[1]}<pre class="columns">{m[2] or ""}{m[3]}' if columns else to_lines([m[0], f'{m[1]}<pre>{m[2] or ""}', m[3]])

def unlink(page, anchors):
    "Turns links to symbols that have no heading of their own into plain code"
    def plain(m):
        target = (page.parent/m[1]).resolve()
        return m[3] if target in anchors and m[2] not in anchors[target] else m[0]
    edit(page, (r'<a href="([^"#:]+)#([^"]+)">(<code>[^<]*</code>)</a>', plain))

def finish():
    "Makes the site work offline and from a file: no CDN, no web fonts, a search index that is a script"
    pages = list(site.rglob('*.html'))
    anchors = {page.resolve(): re.findall(r' id="([^"]*)"', page.read_text(encoding='utf-8')) for page in pages}
    notebooks = {nbpath2html(nb.relative_to(cfg.nbs_path)).as_posix():nb for nb in nbglob(as_path=True)}
    for page,nb in notebooks.items(): shutil.copy(nb, (site/page).parent)    # to download
    for page in pages:
        unlink(page, anchors)
        source = notebooks[page.relative_to(site).as_posix()].relative_to(root).as_posix()
        edit(page, (r'(?s)<span class="math (inline|display)">\\[\[(](.*?)\\[\])]</span>', to_mathml),
                   (r'(?s)(<pre class="sourceCode python code-with-copy"><code[^>]*>)(<span class="kw">def.*?)(?=</code>)', to_args),
                   (r'(?s)(<pre class="sourceCode[^>]*><code[^>]*>)(.*?)(?=</code>)', to_lines),
                   (r'(?s)(<div class="cell-output cell-output-(?:stdout|stderr|display)">\s*)<pre>(<code>)?(.*?)(?=</code>|</pre>)', to_output),
                   (r'<(link|script)[^>]*cdn\.jsdelivr\.net/npm/katex[^>]*>(</script>)?', ''),
                   (r'<script[^>]*/fuse\.min\.js"></script>', ''),            # its search is another
                   (r'(<script src="[^"]*bootstrap\.bundle\.min\.js")>', r'\1 defer>'),    # nothing waits for it
                   (r'(?<=/blob/main/)[^"]*\.ipynb(?=" class="toc-action")', source),
                   (r'<nav class="page-navigation', r'<nav aria-label="Previous and next page" class="page-navigation'),
                   (r'<th></th>', '<td></td>'),                               # the corner of a data frame heads nothing
                   (r'(<a class="sidebar-item[^>]*)role="navigation"', r'\1role="button"'),
                   (r'<div class="toc-actions"', r'\g<0> role="navigation" aria-label="Actions"'),
                   (r'<nav class="navbar', r'<nav aria-label="Top" class="navbar'),
                   (r'<nav class="quarto-secondary-nav', r'<nav aria-label="Sidebar" class="quarto-secondary-nav'),
                   (r'<nav id="quarto-sidebar"', r'\g<0> aria-label="Pages"'))
    scripts = ''.join(o.read_text(encoding='utf-8') for o in [*pages, *site.rglob('*.js')])
    icons = set(re.findall(r'\bbi-[\w-]+', scripts))
    edit(site/'site_libs/bootstrap-icons/bootstrap-icons.min.css',             # of 2000 icons, those that the pages show
         (r'\.(bi-[\w-]+)::before\{[^}]*\}', lambda m: m[0] if m[1] in icons else ''))
    for css in site.rglob('*.css'): edit(css, (r'@import url\(https?:.*?\);', ''))
    index = site/'search.json'
    entries = json.loads(index.read_text(encoding='utf-8'))
    for o in entries:
        if not o['section']: o['description'] = md_frontmatter(read_nb(notebooks[o['href']]).cells[0].source).get('description', '')
    (site/'search.js').write_text(f'window.searchIndex = {json.dumps(entries, ensure_ascii=False)};', encoding='utf-8')
    index.unlink()
    shutil.rmtree(site/'site_libs/fuse')
    search = (root/'tools/search.js').read_text(encoding='utf-8')
    edit(site/'site_libs/smalldocs.js', ('code.innerText', 'code.textContent'), (r'(?s) *// ---- search\n.*?(?=  // the keys that focus search)', lambda m: search))
    with (site/'site_libs/smalldocs.js').open('a', encoding='utf-8') as f: f.write(scroll_by_key)
    for md in list(site.rglob('*.llms.md')):
        edit(md, (r'\.llms\.md', '.html.md'), (r'(?s)<(script|svg)\b.*?</\1>', ''))
        md.rename(md.with_name(md.name.replace('.llms.md', '.html.md')))
    edit(site/'llms.txt', (r'\.llms\.md', '.html.md'))

alone = 'explanations/compare.html'    # a page of its own, which another one shows

def make_alone():
    "Lets the cells of `explanations/try_it` make the page that it shows; where they can't, it tells why"
    nb = read_nb(cfg.nbs_path/'explanations/try_it.ipynb')
    code = '\n'.join(c.source for c in nb.cells if c.cell_type == 'code')
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=(site/alone).parent, text=True,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if not res.returncode: return
    why = (res.stderr.strip() or f'exit code {res.returncode}').splitlines()[-1]
    print(f'{alone} is not in the site: {why}')
    note = f'<p>When this site was built, the page could not be: {escape(why)}</p>'
    edit(site/'explanations/try_it.html', (r'(?s)<div class="toy" data-toy="compare">.*?</div>', lambda m: note))

on_github = {'README.md':'index', 'CHANGELOG.md':'changelog'}

def for_github(page):
    "The text of a page with links to the site and pictures from the repository"
    text = (site/f'{page}.html.md').read_text(encoding='utf-8')
    text = re.sub(r'(?<=\]\()(?!\w+:|#)([^)\s]+?\.html)(\.md)?', rf'{url}/\1', text)
    return re.sub(r'(!\[[^]]*\]\(|<img[^>]* src=")(?!\w+:|index_files/)', r'\1nbs/', text)

if __name__ == '__main__':
    pages = stage()
    build(pages, quiet=True)
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(pages/site.name, site)
    finish()
    make_alone()
    for name,page in on_github.items(): (root/name).write_text(for_github(page), encoding='utf-8')
    shutil.rmtree(root/'index_files', ignore_errors=True)
    if (site/'index_files').exists(): shutil.copytree(site/'index_files', root/'index_files')
    print(f'{len([o for o in site.rglob("*.html") if o != site/alone])} pages in {site.name}, README.md and CHANGELOG.md')
