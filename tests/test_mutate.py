"The tool that asks whether the tests would notice changes code as it says, and counts who noticed"
import csv, re, subprocess, sys
from collections import Counter
from pathlib import Path

root = Path(__file__).parents[1]
sys.path.insert(0, str(root/'tools'))

from mutate import changes    # noqa: E402

def mutants(src):
    data = src.encode()
    return {(data[:a]+new.encode()+data[b:]).decode() for a,b,new in changes(src)}

def test_changes():
    assert mutants('a<b') == {'a<=b', 'a>=b'}
    assert mutants("'ü', a is not b and c not in d") == {"'ü', a is b and c not in d", "'ü', a is not b or c not in d", "'ü', a is not b and c in d"}
    assert mutants('x += max(-y, 1)') == {'x -= max(-y, 1)', 'x += min(-y, 1)', 'x += max(y, 1)', 'x += max(-y, 2)', 'x += max(-y, 0)'}
    assert mutants('def f(x:int=0) -> 3: return f"{x+1}" if x else True') == {
        'def f(x:int=1) -> 3: return f"{x+1}" if x else True', 'def f(x:int=(-1)) -> 3: return f"{x+1}" if x else True',
        'def f(x:int=0) -> 3: return f"{x+1}" if not (x) else True', 'def f(x:int=0) -> 3: return f"{x+1}" if x else False'}

def test_thresholds(tmp_path):
    "Three mutants, the same each time, two of which at least are noticed; the results are kept, and the notebook is as it was"
    nb = root/'nbs'/'02_threshold.ipynb'
    before = nb.read_bytes()
    cmd = [sys.executable, 'tools/mutate.py', nb, '--n', '3', '--seed', '1', '--cells', '--out', tmp_path/'m.csv']
    res = subprocess.run(cmd, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert res.returncode==0 and nb.read_bytes()==before, res.stdout
    noticed = int(re.search(r'threshold: (\d)/3 noticed', res.stdout)[1])
    rows = (tmp_path/'m.csv').read_text().splitlines()
    assert len(rows)==4 and sum(',cells,' in o for o in rows)==noticed>=2

def test_figures():
    "CONTRIBUTING says what the results say: more than nine in ten of the changes that make a difference are noticed"
    with (root/'benchmarks/results/mutation.csv').open(encoding='utf-8') as f: rows = list(csv.DictReader(f))
    assert all(o['reason'] for o in rows if o['noticed']=='equivalent')
    count = Counter(o['noticed'] for o in rows)
    noticed,rest = len(rows)-count['equivalent']-count['survived'],len(rows)-count['equivalent']
    assert noticed>.9*rest
    assert f'Of {len(rows)} changes, {count["equivalent"]} make none, and of the other {rest}, {noticed} are noticed' in (root/'CONTRIBUTING.md').read_text()
