"Would the tests notice? Changes one thing at a time in the exported cells of a notebook, and runs its cells and its tests."
import ast, csv, multiprocessing, os, random, re, shutil, signal, sys, tempfile, time
from collections import Counter, namedtuple
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from fastcore.nbio import read_nb, write_nb
from fastcore.script import CliError, call_parse
from nbdev.export import nb_export

root = Path(__file__).parents[1]
results = root/'benchmarks'/'results'/'mutation.csv'
fork = multiprocessing.get_context('fork')    # a mutant starts with everything imported

# Changes

OTHERS = {'<':['<=','>='], '<=':['<','>'], '>':['>=','<='], '>=':['>','<'], '==':['!='], '!=':['=='], 'is not':['is'], 'is':['is not'],
          'not in':['in'], 'in':['not in'], '+':['-'], '-':['+'], '*':['/'], '//':['*'], '/':['*'], '%':['//'], '**':['*'], '>>':['<<'],
          '&':['|'], '|':['&'], 'and':['or'], 'or':['and']}
OPERATOR = re.compile(r'\b(not\s+in|is\s+not|in|is|and|or)\b|\*\*|//|<<|>>|[<>=!]=|[-<>+*/%&|]')
NAMES = dict(min='max', max='min', minimum='maximum', maximum='minimum', argmin='argmax', argmax='argmin', any='all', all='any')

def nodes(o):
    "What a node holds that runs: no annotations, and nothing inside of an f-string"
    if isinstance(o, ast.JoinedStr): return
    for name, held in ast.iter_fields(o):
        for c in held if isinstance(held, list) else [held]:
            if isinstance(c, ast.AST) and name not in ('annotation', 'returns'):
                yield c
                yield from nodes(c)

def changes(src):
    "All single changes of some code: start, end, and what comes there instead, counted in bytes of UTF-8"
    data = src.encode()
    lines = [0]
    for line in data.splitlines(keepends=True): lines.append(lines[-1] + len(line))
    def start(o): return lines[o.lineno-1] + o.col_offset
    def end(o): return lines[o.end_lineno-1] + o.end_col_offset
    def operators(*operands):
        for a, b in zip(operands, operands[1:]):
            op = OPERATOR.search(data[end(a):start(b)].decode())
            for new in OTHERS.get(op and op[0], []): yield end(a) + op.start(), end(a) + op.end(), new
    for o in nodes(ast.parse(src)):
        match o:
            case ast.Compare(): yield from operators(o.left, *o.comparators)
            case ast.BinOp(): yield from operators(o.left, o.right)
            case ast.AugAssign(): yield from operators(o.target, o.value)
            case ast.BoolOp(): yield from operators(*o.values)
            case ast.UnaryOp(op=ast.Not()): yield start(o), start(o) + len('not'), ''
            case ast.UnaryOp(op=ast.USub()): yield start(o), start(o) + len('-'), ''
            case ast.Constant(value=bool()): yield start(o), end(o), str(not o.value)
            case ast.Constant(value=int() | float()):
                values = (o.value + 1, o.value - 1) if isinstance(o.value, int) else (o.value * 2 or 1., o.value / 2 or -1.)
                for new in values: yield start(o), end(o), f'({new})' if new < 0 else str(new)
            case ast.Name() if o.id in NAMES: yield start(o), end(o), NAMES[o.id]
            case ast.Attribute() if o.attr in NAMES: yield end(o) - len(o.attr), end(o), NAMES[o.attr]
            case ast.keyword() if o.arg in NAMES: yield start(o), start(o) + len(o.arg), NAMES[o.arg]
        tests = o.ifs if isinstance(o, ast.comprehension) else [o.test] if isinstance(o, (ast.If, ast.IfExp, ast.While)) else []
        for t in tests: yield start(t), end(t), f'not ({data[start(t):end(t)].decode()})'

Mutant = namedtuple('Mutant', 'cell source before after')    # number of the cell, its new source, and the line that changed

def mutants(nb):
    "Every mutant of the exported cells of a notebook"
    for i, cell in enumerate(nb.cells):
        if cell.cell_type != 'code' or not cell.source.startswith('#| export'): continue
        data = cell.source.encode()
        for a, b, new in changes(cell.source):
            source = (data[:a] + new.encode() + data[b:]).decode()
            try: compile(source, 'mutant', 'exec')
            except SyntaxError: continue    # such as max=1, max=2
            line = data[:a].count(b'\n')
            yield Mutant(i, source, cell.source.splitlines()[line].strip(), source.splitlines()[line].strip())

# Whether they are noticed

def passes(f, *args, limit):
    "Whether a function returns, in a process of its own that ends with all its children; `None` if it takes more than `limit` seconds"
    def run():
        os.setsid()
        for fd in 1, 2: os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
        f(*args)
    p = fork.Process(target=run)
    p.start()
    p.join(limit)
    in_time = not p.is_alive()
    try: os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError: pass
    p.join()
    return p.exitcode == 0 if in_time else None

def walk(nb, chosen, report, limit):
    "Runs the cells of a notebook; where a mutant's cell comes, a fork goes on with the mutant instead"
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    class Shell(InteractiveShell):
        def enable_gui(self, gui=None): pass
    shell = Shell.instance(config=Config(HistoryManager=dict(enabled=False)))
    shell.enable_matplotlib('inline')
    def run(source): shell.run_cell(source, store_history=False, silent=False).raise_error()
    def rest(source, i):
        run(source)
        for c in nb.cells[i+1:]:
            if runs(c): run(c.source)
    def runs(c): return c.cell_type == 'code' and not re.search(r'^#\| *(slow|cuda|eval: *false)', c.source, re.M)
    files = Path(tempfile.mkdtemp(dir=Path(nb.path_).parents[1]))/'files'
    files.mkdir()
    tempfile.tempdir = os.environ['TMPDIR'] = str(files)
    os.environ['IN_TEST'] = '1'
    os.chdir(Path(nb.path_).parent)
    with open(os.devnull, 'w') as null, redirect_stdout(null), redirect_stderr(null):
        for i, c in enumerate(nb.cells):
            for k, m in enumerate(chosen):
                if m.cell != i: continue
                # a mutant may write into folders that are made by now
                saved = shutil.copytree(files, files.with_name('saved'), symlinks=True, ignore=shutil.ignore_patterns('pymp-*'))
                report.put((k, passes(rest, m.source, i, limit=limit)))
                shutil.rmtree(files)
                saved.rename(files)
            if runs(c): run(c.source)
    report.put(None)

def pytest_run(tests):
    import pytest
    sys.path.insert(0, os.getcwd())
    os.environ['PYTHONPATH'] = os.getcwd()
    sys.exit(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', *tests]))

def tested(nb, m, module, copy, limit):
    "Whether the tests of a module pass with a mutant of it: those of its name, or else those that import it"
    name = re.compile(rf'siamese_verify(\.| import ){module}\b')
    tests = [*copy.glob(f'tests/**/test_{module}.py')] or [o for o in sorted(copy.glob('tests/test_*.py')) if name.search(o.read_text())]
    if not tests: return True
    path, original = Path(nb.path_), nb.cells[m.cell].source
    def write(source):
        nb.cells[m.cell].source = source
        write_nb(nb, path)
        nb_export(path, lib_path=copy/'siamese_verify')
    write(m.source)
    try: return passes(pytest_run, map(str, tests), limit=limit)
    finally: write(original)

def known(path):
    "What became of mutants before, by module, line before and line after"
    if not path.exists(): return {}
    with path.open(newline='', encoding='utf-8') as f: return {(r['module'], r['before'], r['after']): r for r in csv.DictReader(f)}

def save(path, rows):
    with path.open('w', newline='', encoding='utf-8') as f:
        w = csv.DictWriter(f, ['module', 'before', 'after', 'noticed', 'reason'], lineterminator='\n')
        w.writeheader()
        w.writerows(rows.values())

@call_parse
def main(
    *nbs:Path, # Notebooks
    n:int=20, # Mutants of each
    seed:int=0, # Which ones are drawn
    out:Path=results, # Where the results are kept; mutants that are equivalent there don't run
    cells:bool=False, # Run the cells only, and none of tests/
    again:bool=False, # Instead of drawing, run those again that survived there
    limit:int=300, # Seconds for a mutant; one that takes longer is noticed
):
    "Prints the mutants that nobody notices, and how many of how many were noticed; the working tree stays as it is"
    missing = [str(o) for o in nbs if not o.is_file()]
    if missing or not nbs: raise CliError(f'no such notebook: {" ".join(missing)}')
    import fastai.vision.all, pytest, scipy.stats, sklearn.metrics    # once, for all forks
    rows = known(out)
    nbs = [o.resolve() for o in nbs]
    with tempfile.TemporaryDirectory() as tmp:
        copy = shutil.copytree(root, Path(tmp)/'copy', ignore=shutil.ignore_patterns('.git', '.venv', '_docs', '_proc', '__pycache__'))
        os.chdir(copy)
        for path in nbs:
            nb = read_nb(copy/'nbs'/path.name)
            module = next(c.source.split()[-1] for c in nb.cells if c.source.startswith('#| default_exp'))
            def key(m): return module, m.before, m.after
            all_ = list({key(m): m for m in mutants(nb)}.values())
            if again: chosen = [m for m in all_ if key(m) in rows and rows[key(m)]['noticed'] == 'survived']
            else: chosen = random.Random(seed).sample(all_, min(n, len(all_)))
            def mark(m, noticed): rows[key(m)] = dict(zip(['module', 'before', 'after'], key(m)), noticed=noticed, reason='')
            equivalent = [m for m in chosen if key(m) in rows and rows[key(m)]['noticed'] == 'equivalent']
            runs = [m for m in chosen if m not in equivalent]
            report, start = fork.SimpleQueue(), time.time()
            walker = fork.Process(target=walk, args=(nb, runs, report, limit))
            walker.start()
            survivors, done = [], False
            while not done and (walker.is_alive() or not report.empty()):
                if report.empty(): time.sleep(.05)
                elif (r := report.get()) is None: done = True
                elif r[1]: survivors.append(runs[r[0]])
                else: mark(runs[r[0]], 'time' if r[1] is None else 'cells')
            if not done: raise CliError(f'{path.name} fails as it is')
            for m in survivors: mark(m, 'survived')
            save(out, rows)
            for m in survivors:
                survived = cells or tested(nb, m, module, copy, limit)
                mark(m, 'survived' if survived else 'time' if survived is None else 'tests')
                if survived: print(f'{module}: {m.before}  →  {m.after}', flush=True)
            save(out, rows)
            count = Counter(rows[key(m)]['noticed'] for m in chosen)
            noticed, total = count['cells'] + count['tests'] + count['time'], len(chosen) - len(equivalent)
            print(f'{module}: {noticed}/{total} noticed, {count["cells"]} by cells, {count["tests"]} by tests, {count["time"]} by time; '
                  f'{len(equivalent)} equivalent; {time.time() - start:.0f} s', flush=True)
