"Builds the site in _docs, README.md and CHANGELOG.md from nbs/, without Quarto. tools/check_docs.py checks the result."
import json, re, shutil, subprocess, sys
from html import escape

from fastcore.nbio import md_frontmatter, read_nb
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import _build_modidx, nbglob
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from page import Page, attributes, dropped
from smalldocs.site import build

cfg = get_config()
root, site, url = cfg.config_path, cfg.doc_path, cfg.doc_url

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
    "Runs nbdev's processors, and ours; names pages as nbdev's links do (00_data to data)"
    refresh_quarto_yml()
    _build_modidx()
    pages = proc_nbs(force=True)
    for nb in list(pages.rglob('*.ipynb')):
        nb.rename(nb.with_name(nbpath2html(nb).stem + '.ipynb'))
    edit(pages/'_quarto.yml', (r'\b\d+[a-z]?_(\w+\.ipynb)', r'\1'), ('left: "siamese_verify', rf'\g<0> {cfg.version}'))
    return pages

def finish():
    "Makes the site work offline and from a file: no CDN, no web fonts, a search index that is a script"
    pages = {o.resolve():Page(o) for o in site.rglob('*.html')}
    notebooks = {nbpath2html(nb.relative_to(cfg.nbs_path)).as_posix():nb for nb in nbglob(as_path=True)}
    for page,nb in notebooks.items(): shutil.copy(nb, (site/page).parent)    # to download
    for page in pages.values():
        page.mend(notebooks[page.path.relative_to(site).as_posix()].relative_to(root).as_posix(), pages)
        page.save()
    if gone := {*attributes, dropped} - Page.used: sys.exit(f'no page has {", ".join(gone)}: has smalldocs changed? See tools/page.py')
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
