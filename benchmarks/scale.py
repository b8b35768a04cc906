"""Processor time and memory of each step, for 10³ images and more.

    python benchmarks/scale.py                    # all: some 50 minutes
    python benchmarks/scale.py count --most 3e4   # one step, up to 30 000 images
    python benchmarks/scale.py count shards --ranks 2 --n 30000   # by the clock, of one process and of two that share the work

Each figure is of a process of its own with one thread: the processor's time in the step, not in what leads up to it, and how
far the peak of resident memory went beyond what was there before. Writes a row for each step and number to
benchmarks/results/scale.csv, or scale_ranks.csv, which the page *When one machine is not enough* shows.
"""
import io, json, os, re, subprocess, sys, tempfile, time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from fastcore.script import call_parse

results = Path(__file__).resolve().parent/'results'/'scale.csv'

def names(n): return [f'photos/{i//20}/{i}.jpg' for i in range(n)],[i//20 for i in range(n)]

def split(n):
    "Labels to classes, and classes to splits"
    from siamese_verify.data import ClassSplitter, LabeledImages
    files = names(n)
    return lambda: LabeledImages(*files, ClassSplitter(threshold_pct=.2, seed=0))

def pairs(n):
    "A pair for each image"
    from siamese_verify.pairs import Pairs
    images = split(n)()
    return lambda: Pairs(images, 1, seed=0)

def store(n, size=32):
    "Read files of 64 by 64 pixels, resize them, and keep them in a file that is mapped"
    from sklearn.datasets import load_sample_image
    from PIL import Image
    from siamese_verify.store import ImageStore
    folder,buf = Path(tempfile.mkdtemp(dir=os.environ['SCALE_TMP'])),io.BytesIO()
    Image.fromarray(load_sample_image('china.jpg')[100:164,100:164]).save(buf, 'jpeg')
    files = [folder/f'{i}.jpg' for i in range(n)]
    for f in files: f.write_bytes(buf.getvalue())
    return lambda: ImageStore(files, size, path=folder, n_workers=0)

class Arrays:
    "Pictures of 32 by 32 pixels, drawn when they are asked for"
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i): return np.random.default_rng(i).integers(0, 255, (32,32,3), dtype=np.uint8)

def shards(n):
    "Embed arrays of 32 by 32 pixels with a small encoder, into files, 512 numbers for each in half precision"
    from siamese_verify.all import ClassSplitter, Glyphs, Pairs, set_seed, siamese_learner, small_encoder
    set_seed(0)    # the same weights in each process
    v = siamese_learner(Pairs(Glyphs(ClassSplitter(seed=0), size=32), seed=0).dls(bs=64, num_workers=0), small_encoder(n_out=512), 'distance').verifier()
    return lambda: v.embed_shards(Arrays(n), Path(os.environ['SCALE_TMP'])/'shards', size=1000)

def embeddings(n):
    import torch
    g = torch.Generator().manual_seed(0)
    y = torch.arange(n)//20
    return torch.randn(n//20+1, 128, generator=g)[y]+1.5*torch.randn(n, 128, generator=g),y

def count(n):
    "All pairs of embeddings of 128 numbers, with what intervals need"
    from siamese_verify.intervals import count_pairs
    e,y = embeddings(n)
    return lambda: count_pairs(e, y)

def worst(n):
    "The worst mistakes of all pairs of embeddings of 128 numbers"
    from siamese_verify.worst import worst_pairs
    e,y = embeddings(n)
    return lambda: worst_pairs(e, y)

def indexed(n):
    "The same with an index of FAISS that looks at 32 of 4096 cells"
    import faiss
    from siamese_verify.worst import worst_pairs
    faiss.omp_set_num_threads(1)
    e,y = embeddings(n)
    index = faiss.index_factory(128, f'IVF{min(4096, n//40)},Flat')
    index.nprobe = 32
    return lambda: worst_pairs(e, y, index=index)

def fit(n):
    "A threshold for as many pairs as images"
    import torch
    from siamese_verify.threshold import fit_threshold
    g = torch.Generator().manual_seed(0)
    same = torch.arange(n)%2==0
    d = torch.randn(n, generator=g)+2*~same
    return lambda: fit_threshold(d, same)

steps = {split:1e6, pairs:1e6, store:1e5, shards:1e4, fit:1e7, count:3e5, worst:1e5, indexed:3e5}    # and up to how many

def memory(line):
    "MB that this process has now (`VmRSS`) or had at most (`VmHWM`), on Linux"
    return int(re.search(rf'{line}:\s*(\d+)', Path('/proc/self/status').read_text())[1])/1e3

def measure(step, n):
    "Processor seconds and MB of one step, in this process"
    import torch
    torch.set_num_threads(1)
    work = step(n)
    Path('/proc/self/clear_refs').write_text('5')    # forget the peak so far
    before,start = memory('VmRSS'),time.process_time()
    work()
    return dict(seconds=time.process_time()-start, MB=memory('VmHWM')-before)

def alone(name, n):
    "The same in a process of its own, whose progress bar is seen"
    with tempfile.TemporaryDirectory() as tmp:
        env = os.environ | {'OMP_NUM_THREADS':'1', 'SCALE_TMP':tmp}
        res = subprocess.run([sys.executable, __file__, name, '--n', str(n)], env=env, stderr=subprocess.PIPE, text=True)
        if res.returncode: raise SystemExit(res.stderr)
        if sys.stdout.isatty(): print()    # after a bar
        return json.loads(Path(tmp, 'result.json').read_text())

def tell(res):
    "Give what was measured to who has started this process, or print it"
    if tmp := os.environ.get('SCALE_TMP'): Path(tmp, 'result.json').write_text(json.dumps(res))
    else: print('\n'+json.dumps(res))

def clocked(step, n):
    "Seconds by the clock of a step that processes share, in one of them"
    import torch
    from siamese_verify.ranks import of_each, start_ranks
    torch.set_num_threads(1)
    work = step(n)
    k,_ = start_ranks()
    of_each(k)    # all are ready
    start = time.perf_counter()
    work()
    of_each(k)
    if k==0: print('\n'+json.dumps(time.perf_counter()-start))

def shared_by(name, n, ranks):
    "The same in as many processes"
    start = '-m','torch.distributed.run','--standalone','--nproc-per-node',str(ranks)
    with tempfile.TemporaryDirectory() as tmp:
        env = os.environ | {'OMP_NUM_THREADS':'1', 'SCALE_TMP':tmp, 'SCALE_CLOCK':str(n)}
        res = subprocess.run([sys.executable, *start, __file__, name], env=env, capture_output=True, text=True)
    if res.returncode: raise SystemExit(res.stderr)
    return json.loads(res.stdout.splitlines()[-1])

@call_parse
def main(
    *names:str, # Steps; all of them if none is given
    most:float=None, # Images, at most, instead of what each step has
    n:int=None, # Measure one step with as many images, in this process
    ranks:int=None, # Measure steps with `n` images by the clock instead, by one process and by as many as these
):
    "Measure what N images cost"
    every = {step.__name__:step for step in steps}
    if many := os.environ.get('SCALE_CLOCK'): return clocked(every[names[0]], int(many))
    from protocol import keep, machine
    if ranks:
        for name,turn,k in product(names, range(3), (1, ranks)):
            row = dict(step=name, images=n, processes=k, turn=turn, seconds=shared_by(name, n, k), machine=machine().replace('2 threads', '1 thread'))
            print(row, flush=True)
            keep(results.with_name('scale_ranks.csv'), [row], ['step','images','processes','turn'])
        return
    if n: return tell(measure(every[names[0]], n))
    for name in names or every:
        for k in 10**3,10**4,10**5,3*10**5,10**6,10**7:
            if k>(most or steps[every[name]]): continue
            row = dict(step=name, images=k, **alone(name, k), machine=machine().replace('2 threads', '1 thread'))
            print(row, flush=True)
            keep(results, [row], ['step','images'])
