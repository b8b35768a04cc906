"Pages as they are typed: visible cells define every name that they use, and run without what is hidden; commands have the options that they're given; and modules define each name once"
import ast, builtins, importlib, inspect, json, re, subprocess, sys
from pathlib import Path

import pytest
from execnb.shell import CaptureShell

from siamese_verify.cli import _commands

root = Path(__file__).parents[1]/'nbs'
pages = sorted([root/'index.ipynb', *root.glob('tutorials/*.ipynb'), *root.glob('explanations/*.ipynb')])

def visible(path):
    "Source of the code cells that a page shows"
    cells = json.loads(path.read_text())['cells']
    sources = [''.join(o['source']) for o in cells if o['cell_type'] == 'code']
    hidden = '#| hide', '#| echo: false', '#| include: false', '#|hide', '#|echo: false'
    return [o for o in sources if not any(line.strip() in hidden for line in o.splitlines())]

def clean(source):
    "Without directives and magics"
    return '\n'.join('pass' if line[:1] in '%!' and line else line for line in source.splitlines())

def defined(tree):
    "Names that some code binds, anywhere in it"
    for o in ast.walk(tree):
        if isinstance(o, ast.Name) and isinstance(o.ctx, (ast.Store, ast.Del)): yield o.id
        elif isinstance(o, (ast.FunctionDef, ast.ClassDef)): yield o.name
        elif isinstance(o, ast.arg): yield o.arg
        elif isinstance(o, ast.ExceptHandler) and o.name: yield o.name
        elif isinstance(o, ast.ImportFrom) and o.names[0].name == '*': yield from star(o)
        elif isinstance(o, (ast.Import, ast.ImportFrom)): yield from (a.asname or a.name.split('.')[0] for a in o.names)

def star(o):
    module = importlib.import_module('siamese_verify.'+(o.module or '') if o.level else o.module)
    return getattr(module, '__all__', None) or [n for n in vars(module) if not n.startswith('_')]

def missing(sources):
    "Names that are used, cell by cell, and that neither the cells before nor this one define"
    known = {*dir(builtins), '__name__', '__file__', 'get_ipython', 'display'}
    for source in sources:
        tree = ast.parse(clean(source))
        known |= set(defined(tree))
        yield from sorted({o.id for o in ast.walk(tree) if isinstance(o, ast.Name)} - known)

def test_missing():
    assert list(missing(['import a\nfrom math import *', 'b = a+c+pi', 'c = sqrt(d)'])) == ['c', 'd']

@pytest.mark.parametrize('page', pages, ids=lambda o: str(o.relative_to(root)))
def test_visible_cells_stand_alone(page):
    names = list(missing(visible(page)))
    assert not names, f'{page.name}: visible cells use {", ".join(names)}, which only hidden cells define'

@pytest.mark.drill
@pytest.mark.parametrize('page', pages, ids=lambda o: str(o.relative_to(root)))
def test_visible_cells_run_alone(page, tmp_path):
    "In a folder where it may write, beside the measurements that pages read"
    if page.stem=='cheat_sheet': pytest.skip('it is of files that people have; a hidden cell makes them')
    here = tmp_path/page.parent.relative_to(root.parent)
    here.mkdir(parents=True)
    (tmp_path/'benchmarks').symlink_to(root.parent/'benchmarks')
    res = subprocess.run([sys.executable, __file__, page], cwd=here, text=True, capture_output=True)
    assert not res.returncode, res.stderr[-2000:]

def run_alone(page):
    "Runs what a page shows, but for what takes long or a GPU"
    shell = CaptureShell()
    for o in visible(page):
        if re.search(r'(?m)^#\| *(slow|cuda|eval: false)', o): continue
        shell.run(o)
        if shell.exc: raise shell.exc

def typed(path):
    "The commands of `siamese_verify` that a page shows in blocks of shell code, without what is piped or redirected"
    cells = [''.join(o['source']) for o in json.loads(path.read_text())['cells'] if o['cell_type'] == 'markdown']
    blocks = re.findall(r'(?s)```(?:sh|bash)\n(.*?)```', '\n'.join(cells))
    return [re.split(r' +#| [|>&]|;', line.strip())[0] for o in blocks for line in o.splitlines() if line.startswith('siamese_verify ')]

@pytest.mark.parametrize('page', sorted(root.rglob('*.ipynb')), ids=lambda o: str(o.relative_to(root)))
def test_commands_have_these_options(page):
    for line in typed(page):
        _,command,*args = line.split()
        options = {o.replace('_', '-') for o in inspect.signature(_commands[command]).parameters} | {'help'}
        assert {o[2:] for o in args if o.startswith('--')} <= options, line

def definitions(source):
    "Names of a module's functions and classes; of a patched method, with its class"
    for o in ast.parse(source).body:
        if isinstance(o, ast.ClassDef): yield o.name
        if not isinstance(o, ast.FunctionDef): continue
        decorators = ' '.join(map(ast.unparse, o.decorator_list))
        of = ast.unparse(o.args.args[0].annotation) if 'patch' in decorators else ''
        yield of, o.name, 'setter' in decorators

@pytest.mark.parametrize('module', sorted((root.parent/'siamese_verify').glob('*.py')), ids=lambda o: o.stem)
def test_defined_once(module):
    names = list(definitions(module.read_text()))
    twice = {o for o in names if names.count(o) > 1}
    assert not twice, f'{module.name} defines {twice} twice: the later one hides the earlier'

if __name__=='__main__': run_alone(Path(sys.argv[1]))
