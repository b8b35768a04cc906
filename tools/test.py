"Runs the notebooks and tests/; the last line is `N passed, N failed`."
import multiprocessing, os, subprocess, sys, tempfile, time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest, torch
from fastcore.script import CliError, call_parse
from nbdev.doclinks import nbglob
from nbdev.test import nbdev_test
from siamese_verify.datasets import Digits, Glyphs, Spots

fork = multiprocessing.get_context('forkserver')    # a notebook's process starts with other packages imported
fork.set_forkserver_preload(['fastai.vision.all', 'sklearn.metrics'])

class Count:
    "Counts the tests that pytest runs, and the seconds of each file"
    passed = failed = 0
    def __init__(self): self.seconds = Counter()
    def pytest_runtest_logreport(self, report):
        self.passed += report.when == 'call' and report.passed
        self.failed += report.failed
        self.seconds[report.nodeid.split('::')[0]] += report.duration
    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(', '.join(f'{name} {s:.0f} s' for name, s in self.seconds.most_common(12)))
    def pytest_collectreport(self, report): self.failed += report.failed

def test_nb(nb, flags, save):
    "Runs one notebook in a process of its own, without the cells flagged `slow` or `cuda` unless in `flags`, and prints how it went"
    start = time.time()
    with tempfile.NamedTemporaryFile('r', errors='replace') as log:
        p = fork.Process(target=in_process, args=(str(nb), ' '.join(flags), save, log.name, multiprocessing.get_start_method()))
        p.start()
        p.join()
        ok = p.exitcode == 0
        if save: subprocess.run([Path(sys.executable).parent/'nbdev-clean', '--fname', nb], check=True)
        print(f'{"passed" if ok else "FAILED"} {os.path.relpath(nb)} {time.time() - start:.1f} s', *[log.read()] * (not ok), sep='\n', flush=True)
    return ok

def in_process(nb, flags, save, log, method):
    "What the process of a notebook does: it prints to a file, and starts others as any process does"
    multiprocessing.set_start_method(method, force=True)
    fd = os.open(log, os.O_WRONLY)
    for o in 1, 2: os.dup2(fd, o)
    nbdev_test(nb, flags=flags, save=save)

@call_parse
def main(
    *nbs:Path, # Notebooks to run, instead of all of them and tests/
    slow:bool=False, # Also run the cells flagged `slow`
    save:bool=False, # Store the outputs in the notebooks
    drill:bool=False, # Also run the tests that take long
):
    "Runs the notebooks and tests/; cells flagged `cuda` only where there is a GPU"
    files = list(nbs) or sorted(nbglob(as_path=True), key=lambda o: ('tutorials' not in o.parts, o))    # the long ones first
    missing = [str(o) for o in files if not o.is_file()]
    if missing or not files: raise CliError(f'no such notebook: {" ".join(missing) or "nbs/*.ipynb"}')
    os.environ['OMP_NUM_THREADS'] = '1'
    for images in Digits, Glyphs, Spots: images()    # drawn before, so that no page holds the progress bar of the first time
    flags = ['slow'] * slow + ['cuda'] * torch.cuda.is_available()
    with ThreadPoolExecutor(2) as pool: oks = list(pool.map(lambda nb: test_nb(nb, flags, save), files))
    count = Count()
    if not nbs: pytest.main(['-q', '-rs', '-n', '2', '--dist', 'loadfile', '--no-loadscope-reorder', *['--drill'] * drill, 'tests'], plugins=[count])
    failed = oks.count(False) + count.failed
    print(f'{oks.count(True) + count.passed} passed, {failed} failed')
    sys.exit(failed > 0)
