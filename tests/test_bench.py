"The benchmark runs, and keeps what it measured"
import json, subprocess, sys
from pathlib import Path

bench = Path(__file__).parents[1]/'benchmarks'/'bench.py'

def run(*args): return subprocess.run([sys.executable, bench, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

def test_quick_row(tmp_path):
    "A row without other packages is measured in full; a quick run doesn't replace it, and no other row is touched"
    out = tmp_path/'bench.json'
    out.write_text('{"other": {"quick": false}}')
    res = run('decode', '--sizes', '5', '--reps', '2', '--out', out)
    assert res.returncode==0, res.stdout
    results = json.loads(out.read_text())
    case, = results['decode']['cases']
    assert (case['n'], results['decode']['quick'], results['decode']['machine']['threads']) == (5, False, 1)
    assert all(len(w['runs'])==2 and 0<w['low']<=w['median']<=w['high'] for w in case['ways'])
    assert 'has the full figures' in run('decode', '--quick', '--out', out).stdout
    assert json.loads(out.read_text())==results and results['other']=={'quick':False}
    assert [f.name for f in tmp_path.iterdir()]==['bench.json']

def test_unknown_row():
    res = run('speed')
    assert res.returncode and 'no such row: speed; there are pairs' in res.stdout
