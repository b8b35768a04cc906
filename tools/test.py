"Runs the notebooks and tests/; the last line is `N passed, N failed`."
import os, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest, torch
from fastcore.script import CliError, call_parse
from nbdev.doclinks import nbglob
from siamese_verify.datasets import Digits, Glyphs, Spots

class Count:
    "Counts the tests that pytest runs"
    passed = failed = 0
    def pytest_runtest_logreport(self, report):
        self.passed += report.when == 'call' and report.passed
        self.failed += report.failed
    def pytest_collectreport(self, report): self.failed += report.failed

def test_nb(nb, flags, save):
    "Runs one notebook in a process of its own, without the cells flagged `slow` or `cuda` unless in `flags`, and prints how it went"
    start = time.time()
    bin = Path(sys.executable).parent
    res = subprocess.run([bin/'nbdev-test', nb, '--flags', ' '.join(flags)] + ['--save'] * save, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {'OMP_NUM_THREADS': '1'})
    if save: subprocess.run([bin/'nbdev-clean', '--fname', nb], check=True)
    ok = res.returncode == 0
    print(f'{"passed" if ok else "FAILED"} {os.path.relpath(nb)} {time.time() - start:.1f} s', *[res.stdout] * (not ok), sep='\n', flush=True)
    return ok

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
    for images in Digits, Glyphs, Spots: images()    # drawn before, so that no page holds the progress bar of the first time
    flags = ['slow'] * slow + ['cuda'] * torch.cuda.is_available()
    with ThreadPoolExecutor(2) as pool: oks = list(pool.map(lambda nb: test_nb(nb, flags, save), files))
    count = Count()
    os.environ['OMP_NUM_THREADS'] = '1'
    if not nbs: pytest.main(['-q', '-rs', '-n', '2', '--dist', 'loadfile', *['--drill'] * drill, 'tests'], plugins=[count])
    failed = oks.count(False) + count.failed
    print(f'{oks.count(True) + count.passed} passed, {failed} failed')
    sys.exit(failed > 0)
