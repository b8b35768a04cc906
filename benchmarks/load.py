"""What do a million files, a hundred thousand classes and a table of a gigabyte take?

    python benchmarks/load.py
    python benchmarks/load.py --n 10000

Writes `n` empty files into one folder, half of them again into folders of `n`/10 classes, and two tables with a long
column that nobody asks for, and deletes them at the end. Each set is read by a process of its own, step by step.
Writes benchmarks/results/load.csv: processor time of each step, in seconds, and the most memory that the process had
until then, Python and PyTorch included; the page *Speed, measured* shows it.
"""
import csv, json, resource, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np
from fastcore.script import call_parse

results = Path(__file__).resolve().parent/'results'

def names(n): return [f'{k//10:06}_{k%10}.png' for k in range(n)]

def write_files(path, n):
    "Empty files, ten of a class, in one folder, and five of a class in folders of classes"
    (path/'flat').mkdir()
    for o in names(n): (path/'flat'/o).touch()
    for c in range(n//10):
        (path/'tree'/f'{c:06}').mkdir(parents=True)
        for k in range(5): (path/'tree'/f'{c:06}'/f'{k}.png').touch()

def write_tables(path, n, n_bytes):
    "A table of labelled files, and one of pairs, half of which are the same"
    files,caption = names(n),'x'*(int(n_bytes/n)-30)
    other = np.random.default_rng(0).permutation(n//10)
    with open(path/'images.csv', 'w') as f:
        f.write('file,label,caption\n')
        f.writelines(f'{o},{o[:6]},{caption}\n' for o in files)
    with open(path/'pairs.csv', 'w') as f:
        f.write('left,right,same,caption\n')
        for k,o in enumerate(files):
            right = files[k+1] if k%2==0 else files[other[k//10]*10+k%10]
            if right!=o: f.write(f'{o},{right},{int(k%2==0)},{caption}\n')

def steps(what, path):
    "Names of steps, and functions of what the one before gave"
    from siamese_verify.all import ClassSplitter, LabeledImages, Pairs
    split = ClassSplitter(threshold_pct=.2)
    read = dict(
        flat=lambda _: LabeledImages.from_name_re(path/'flat', r'^(\d+)_', split), tree=lambda _: LabeledImages.from_folder(path/'tree', split),
        table=lambda _: LabeledImages.from_csv(path/'images.csv', path/'flat', valid=split))
    if what=='pairs': return {'Pairs.from_csv':lambda _: Pairs.from_csv(path/'pairs.csv', path/'flat', valid=lambda df: (range(len(df)), []))}
    name = dict(flat='LabeledImages.from_name_re', tree='LabeledImages.from_folder', table='LabeledImages.from_csv')[what]
    return {name:read[what], 'split once more':lambda o: (split(o), o)[1], 'Pairs':Pairs, 'another epoch of pairs':lambda o: o.draw('train')}

def measure(what, path):
    "The steps in this process, as JSON"
    todo,res,rows = steps(what, path),None,[]
    rows.append(('import', time.process_time(), peak_mb()))
    for name,f in todo.items():
        begin = time.process_time()
        res = f(res)
        rows.append((name, time.process_time()-begin, peak_mb()))
    print(json.dumps(rows))

def in_a_process(what, path):
    "The rows of `measure`, in a process of its own"
    args = [sys.executable, '-W', 'ignore', __file__, '--only', what, '--path', path]
    res = json.loads(subprocess.run(args, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
    print(what, *res, sep='\n', flush=True)
    return res

def write(rows):
    with open(results/'load.csv', 'w', newline='') as f:
        out = csv.writer(f)
        out.writerow(['set','step','seconds','peak_mb'])
        out.writerows((a, b, f'{s:.3g}', f'{mb:.0f}') for a,b,s,mb in rows)

def peak_mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3

sets = dict(flat='{n:,} files in one folder', tree='{h:,} files in {c:,} folders', table='{gb:.2g} GB table of {n:,} files', pairs='{gb:.2g} GB table of {n:,} pairs')

@call_parse
def main(
    n:int=10**6, # Files in one folder
    gb:float=1., # Size of the tables for a million files
    only:str=None, # Measure one set, `flat`, `tree`, `table` or `pairs`, of files that are there
    path:Path=None, # Folder of these
):
    "Measure what large sets take"
    if only: return measure(only, path)
    with tempfile.TemporaryDirectory(dir='.') as folder:
        path = Path(folder)
        write_files(path, n)
        write_tables(path, n, gb*1e9*n/1e6)
        rows = [(title.format(n=n, c=n//10, h=n//2, gb=gb*n/1e6), *o) for what,title in sets.items() for o in in_a_process(what, path)]
    write(rows)
