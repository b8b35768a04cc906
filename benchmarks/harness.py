"What bench.py runs its rows with. Each way of a row has a process of its own, and they take turns: a drift of the machine hits all alike."
import gc, json, os, platform, re, subprocess, sys, tempfile, threading, time
from contextlib import ExitStack
from importlib.metadata import version
from math import inf
from pathlib import Path
from statistics import median

from fastcore.script import CliError
from peers import python as peers_python

root = Path(__file__).resolve().parents[1]
rows = {}

class Row:
    """Something to do in several ways. Methods that are marked `ours`, `way` or `peer` get what `data` returned, prepare, and
    return a function, which is timed, or a pair: it, and a function that draws facts from what it gave"""
    sizes,quick = (1,),(1,)                 # what is measured, and what `--quick` measures instead
    unit = 's'                              # of the figures: s, ms or µs, and what `per` counts
    reps,threads,warm = None,None,True      # at most so many rounds; so many threads; after a round that does not count?
    gpu = False                             # only where there is a GPU, unless it's named?
    neighbour = False                       # beside a process that keeps the cores and PyTorch's threads busy?

    def __init_subclass__(cls): rows[cls.__name__] = cls()

    def cases(self, n): yield dict(n=n)         # of a size; each is measured
    def label(self, n): return f'{n:,}'         # of a case, in tables
    def per(self, n): return 1                  # what the times of a case are divided by
    def data(self, folder, n): return dict(n=n) # what a case gives to its ways, made once: JSON, and files in `folder`
    def claims(self, facts): return {}          # statements, and whether the facts of the ways bear them out

    def ways(self, n):
        "The ways for size `n`, by the names of their methods"
        attrs = {k:f for cls in reversed(type(self).__mro__) for k,f in vars(cls).items()}
        return {k:f for k,f in attrs.items() if n<=getattr(f, 'upto', -inf)}

def way(
    title:str, # Name in tables
    python=sys.executable, # Its interpreter
    upto=inf, # The size beyond which it takes too long
):
    "Mark a method of a `Row` as one of its ways"
    def _mark(f):
        f = staticmethod(f)
        f.title,f.python,f.upto = title,str(python),upto
        return f
    return _mark

def ours(f): return way('siamese_verify')(f)
def peer(title, upto=inf): return way(title, peers_python, upto)

def serve(row, name, args):
    "In its process: prepare a way, then run it for each line of input and answer with seconds, facts and memory"
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)    # what libraries print goes to the log
    run = getattr(rows[row], name)(**json.loads(Path(args).read_text()))
    run,facts = run if isinstance(run, tuple) else (run, lambda res: {})
    print('ready', file=answers, flush=True)
    for _ in sys.stdin:
        gc.collect()
        start = time.perf_counter()
        res = run()
        seconds = time.perf_counter()-start
        print(json.dumps(dict(seconds=seconds, facts=facts(res), peak_mb=peak_mb())), file=answers, flush=True)

def be_busy(ready):
    "In its process: multiply matrices without end, as training does"
    import torch
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    x = torch.rand(512, 512)
    print(ready, flush=True)
    while True: x@x

def end_with(parent):
    "End this process when its parent has ended: left alone, it would spoil the next measurement"
    while os.getppid()==parent: time.sleep(1)
    os._exit(1)

def peak_mb():
    "The most memory that this process has had, where the system tells"
    status = Path('/proc/self/status')
    return int(status.read_text().split('VmHWM:')[1].split()[0])//1024 if status.exists() else None

class Process:
    "A way in its process, and what it answered"
    def __init__(self, row, name, f, args, threads):
        if not Path(f.python).exists(): raise CliError(f'{f.title} is not installed: run python benchmarks/peers.py')
        self.title,self.row,self.answers = f.title,row,[]
        self.start(f.python, 'import sys, bench, harness; harness.serve(*sys.argv[1:])', threads, row, name, args)

    def start(self, python, code, threads, *args):
        "Start Python with some code"
        self.log = tempfile.TemporaryFile('w+')
        paths = os.pathsep.join([str(root/'benchmarks'), str(root), os.environ.get('PYTHONPATH', '')])
        env = os.environ | dict(PYTHONPATH=paths, OMP_NUM_THREADS=str(threads))
        self.p = subprocess.Popen([python, '-c', code, *args], env=env, text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def read(self):
        if line := self.p.stdout.readline(): return line
        self.log.seek(0)
        raise CliError(f'{self.row}, {self.title}: its process ended.\n{self.log.read()[-2000:]}')

    def run(self):
        print('run', file=self.p.stdin, flush=True)
        return json.loads(self.read())

    def __enter__(self): return self
    def __exit__(self, *_):
        self.p.kill()
        self.p.communicate()

class Neighbour(Process):
    "A process that keeps the cores and PyTorch's threads busy"
    def __init__(self, row, threads):
        self.title,self.row = 'neighbour',row
        self.start(sys.executable, 'import harness; harness.be_busy("ready")', threads)

def measure(row, case, reps, seconds, threads):
    "A case, in rounds of all ways; once there are three rounds, none begins after `seconds`"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        args = Path(folder)/'args.json'
        args.write_text(json.dumps(row.data(Path(folder), **case)))
        ways = [stack.enter_context(Process(type(row).__name__, k, f, args, threads)) for k,f in row.ways(case['n']).items()]
        for w in ways: w.read()
        if row.neighbour: stack.enter_context(Neighbour(type(row).__name__, threads)).read()
        if row.warm: [w.run() for w in ways]
        start = time.time()
        for k in range(min(reps, row.reps or reps)):
            if k>=3 and time.time()-start>seconds: break
            first = k%len(ways)
            for w in ways[first:]+ways[:first]: w.answers.append(w.run())
        claims = row.claims({w.title:w.answers[-1]['facts'] for w in ways})
        return dict(case, label=row.label(**case), ways=summary(ways, row.unit, row.per(**case)), claims={k:bool(v) for k,v in claims.items()})

def spread(x): return dict(median=median(x), low=min(x), high=max(x))

def summary(ways, unit, per):
    "For each way its figures, how many times as long as the first way it took if that is ours, the last facts, and its peak of memory"
    scale = {'s':1, 'ms':1e3, 'µs':1e6, 'ns':1e9}[unit.split()[0]]/per
    times = [[a['seconds']*scale for a in w.answers] for w in ways]
    res = []
    for w,t in zip(ways, times):
        ratio = [a/b for a,b in zip(t, times[0])] if ways[0].title.startswith('siamese_verify') and w is not ways[0] else None
        facts = {k:v for k,v in w.answers[-1]['facts'].items() if k[0]!='_'}
        res.append(dict(way=w.title, **spread(t), runs=t, ratio=ratio and spread(ratio), facts=facts, peak_mb=w.answers[-1]['peak_mb']))
    return res

def machine(threads):
    "What this is measured on, and how busy it is"
    import torch
    info = Path('/proc/cpuinfo')
    cpu = re.search(r'model name\s*: (.*)', info.read_text() if info.exists() else '')
    return dict(cpu=cpu[1] if cpu else platform.processor(), cores=os.cpu_count(), threads=threads, ram_gb=round(os.sysconf('SC_PAGE_SIZE')*os.sysconf('SC_PHYS_PAGES')/2**30),
                gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None, system=platform.platform(),
                python=platform.python_version(), load=round(os.getloadavg()[0], 1))

def versions(row):
    "Of what the ways of `row` run on, and the commit of this repository"
    commit = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=root, text=True, capture_output=True).stdout.strip()
    own = {o:version(o) for o in ('torch','torchvision','fastai','fastcore','numpy','pillow','scikit-learn')}
    theirs = ['similarity-learning', 'fastai-datasets', 'pytorch-metric-learning', 'sentence-transformers', 'transformers']
    if any(f.python==str(peers_python) for f in row.ways(1).values()):
        code = 'import json, sys; from importlib.metadata import distributions; print(json.dumps({o.name:o.version for o in distributions()}))'
        have = json.loads(subprocess.run([peers_python, '-c', code], text=True, check=True, capture_output=True).stdout)
        own |= {o:have[o] for o in theirs if o in have}
    return dict(siamese_verify=commit, **own)

def record(name, sizes=None, reps=7, seconds=120, threads=None, quick=False):
    "Measure a row: what is written to the results"
    import torch
    row = rows[name]
    threads = row.threads or threads or torch.get_num_threads()
    res = dict(about=row.__doc__, unit=row.unit, quick=quick, when=time.strftime('%Y-%m-%d %H:%M'), machine=machine(threads), cases=[])
    print(f'\n{name}: {row.__doc__} ({row.unit})', flush=True)
    for n in sizes or (row.quick if quick else row.sizes):
        for case in row.cases(n):
            res['cases'].append(measure(row, case, 2 if quick else reps, seconds, threads))
            show(res['cases'][-1])
    return res | dict(versions=versions(row))

def show(case):
    "Print the figures of a case"
    num = lambda o: f'{o:.3g}' if abs(o)<100 else f'{o:,.0f}'
    span = lambda s: f'{num(s["median"])} ({num(s["low"])}–{num(s["high"])})'
    print(f'  {case["label"]}')
    for w in case['ways']:
        facts = ', '.join(f'{k} {v:.4g}' for k,v in w['facts'].items())
        print(f'    {w["way"]:<32}{span(w):<26}{"× "+span(w["ratio"]) if w["ratio"] else "":<26}{facts}'.rstrip())
    for claim,holds in case['claims'].items(): print(f'    {"holds" if holds else "FAILS"}: {claim}')
    sys.stdout.flush()

def keep(out, name, new):
    "Put a row into the results, which are there in full at any moment; a quick one never replaces a full one"
    old = json.loads(out.read_text(encoding='utf-8')) if out.exists() else {}
    if new['quick'] and name in old and not old[name]['quick']: return print(f'  not kept: {out.name} has the full figures')
    out.parent.mkdir(exist_ok=True)
    tmp = out.with_suffix('.tmp')
    tmp.write_text(json.dumps(old | {name:new}, indent=1, ensure_ascii=False)+'\n', encoding='utf-8')
    os.replace(tmp, out)
