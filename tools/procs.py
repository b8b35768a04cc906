"What nbdev does to a page after all else: doc_procs in pyproject.toml names it"
from pathlib import Path

from fastcore.nbio import mk_cell, read_nb
from nbdev.config import get_config
from nbdev.process import Processor

colab = 'https://colab.research.google.com/github'

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
