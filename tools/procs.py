"What nbdev does to a page after all else: doc_procs in pyproject.toml names it"
import ast, re
from collections import Counter, defaultdict
from functools import cache
from html import escape
from itertools import chain
from os.path import relpath
from pathlib import Path

from fastcore.nbio import mk_cell, read_nb
from nbdev.config import get_config, nbpath2html
from nbdev.process import Processor

colab = 'https://colab.research.google.com/github'

def documented(nb):
    "Each markdown output of a page's code, which is what documents functions and classes"
    for cell in nb.cells:
        for o in cell.get('outputs', []):
            if 'text/markdown' in o.get('data', {}): yield o['data']

class ShortNames(Processor):
    "Types in signatures go by their short names, and a special method's name isn't bold in its heading"
    def end(self):
        for data in documented(self.nb):
            s = re.sub(r'__main__\.|:NoneType(?==None)', '', ''.join(data['text/markdown']))
            s = re.sub(r'(\w:|->|\| )(?:fastai|siamese_verify|pathlib|collections)\.(?:\w+\.)*(?=[A-Z])', r'\1', s)
            data['text/markdown'] = re.sub(r'(?m)^(#+ \w+\.)__(\w+)__', r'\1\\_\\_\2\\_\\_', s)

class Links(Processor):
    "Links between pages are relative, and have the names that pages have (00_data is data)"
    def end(self):
        cfg = get_config()
        up = '../'*(len(Path(self.nb.path_).resolve().relative_to(cfg.nbs_path.resolve()).parts)-1)
        def here(s): return re.sub(r'(\]\((?!\w+:)[^)\s]*?)\b\d+[a-z]?_(\w+\.ipynb)', r'\1\2', s.replace(f']({cfg.doc_url}/', f']({up}'))
        for cell in self.nb.cells:
            if cell.cell_type!='code': cell.source = here(cell.source)
        for data in documented(self.nb): data['text/markdown'] = here(''.join(data['text/markdown']))

class RunIt(Processor):
    "Below the title of a page with code: the notebook to download, where to run it, and what to type there first"
    def end(self):
        cfg = get_config()
        path = Path(self.nb.path_).resolve().relative_to(cfg.config_path.resolve())
        code = [o.source for o in self.nb.cells if o.cell_type=='code' and o.source and 'hide' not in o.directives_]
        if not code or path.name=='index.ipynb': return
        needs_clone = any('benchmarks/results' in o.source for o in read_nb(path).cells if o.cell_type=='code')    # hidden ones, too
        lines = clone(cfg.git_url, path.parent) if needs_clone else [f'%pip install git+{cfg.git_url}']
        typed = ' '.join(f'<code>{o}</code>' for o in lines)
        url = f'{colab}/{cfg.git_url.split("github.com/")[1]}/blob/main/{path}'
        html = (f'<p class="run-it"><a href="{path.name}" download>Notebook</a>, or '
                f'<a href="{url}">open it in Colab</a> and type first {typed}</p>')
        self.nb.cells.insert(1, mk_cell(f'```{{=html}}\n{html}\n```', 'markdown'))

def clone(url, folder):
    "What to type for a page that reads measurements of the repository"
    name = url.split('/')[-1]
    return [f'!git clone {url}', f'%pip install ./{name}', f'%cd {name}/{folder}']

class UsedIn(Processor):
    "Below each thing that a page documents: the lessons that use it"
    def end(self):
        cfg = get_config()
        page = Path(self.nb.path_).resolve().relative_to(cfg.nbs_path.resolve())
        for k,cell in reversed([*enumerate(self.nb.cells)]):
            shown = re.search(r'(?m)^show_doc\((?:\w+\.)*?((?:[A-Z]\w*\.)?\w+)[,)]', cell.source)
            if not shown or not (lessons := used_in().get(shown[1])): continue
            links = ', '.join(f'<a href="{relpath(nbpath2html(o), page.parent)}">{escape(title)}</a>' for title,o in lessons[:4])
            self.nb.cells.insert(k+1, mk_cell(f'```{{=html}}\n<p class="used-in">Used in {links}</p>\n```', 'markdown'))

@cache
def used_in():
    "For each function, class and method: title and path of the lessons whose visible cells use it"
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from pandas import DataFrame
    from siamese_verify._modidx import d
    from torch import Tensor
    cfg,res = get_config(),defaultdict(list)
    symbols = {o.split('.', 2)[2] for module in d['syms'].values() for o in module}
    methods = Counter(o.split('.')[1] for o in symbols if '.' in o)
    others = {*chain(*map(dir, (Learner, DataLoaders, Tensor, DataFrame, Path, dict, str)))}
    own = {name:o for o in symbols if '.' in o and methods[name := o.split('.')[1]]==1 and name not in others}    # of one class alone
    for page in re.findall(r'- ((?:tutorials|explanations|benchmarks)/.*\.ipynb)', (cfg.nbs_path/'_quarto.yml').read_text(encoding='utf-8')):
        cells = read_nb(cfg.nbs_path/page).cells
        tree = ast.parse('\n'.join(o.source for o in cells if o.cell_type=='code' and not re.search(r'(?m)^(#\| *(hide|echo: false)|[%!])', o.source)))
        nodes = [*ast.walk(tree)]
        made = {o.name for o in nodes if isinstance(o, (ast.FunctionDef, ast.ClassDef))}
        made |= {o.id for o in nodes if isinstance(o, ast.Name) and isinstance(o.ctx, ast.Store)}
        names = {o.id for o in nodes if isinstance(o, ast.Name)} - made | {own.get(o.attr) for o in nodes if isinstance(o, ast.Attribute)}
        for o in names & symbols: res[o].append((cells[0].source.splitlines()[0].strip('# '), Path(page)))
    return res
