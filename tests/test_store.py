"An image store whose filling is killed, and one that two processes fill at once"
import os, signal, subprocess, sys, time

import numpy as np
from siamese_verify.all import ImageStore, L
from PIL import Image

def pictures(path, n):
    "The files of `n` random pictures"
    rng = np.random.default_rng(42)
    for k in range(n): Image.fromarray(rng.integers(0, 256, (40,40,3), dtype=np.uint8)).save(path/f'{k:04}.png')
    return L(sorted(path.glob('*.png')))

def filler(files, path):
    "A process that fills a store below `path`, and pauses before each image"
    code = '''import sys, time
from pathlib import Path
from siamese_verify import store
read = store._read
def slow(*args):
    time.sleep(.001)
    return read(*args)
store._read = slow
store.ImageStore(sorted(Path(sys.argv[1]).glob('*.png')), 32, path=sys.argv[2])'''
    return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code, files[0].parent, path])

def stamped(path, n):
    "How many stamps are at the end of the file of the store"
    data = [f.read_bytes()[-16*n:] for f in path.glob('*.images')]
    return sum((np.frombuffer(o, np.int64).reshape(-1,2)!=0).any(1).sum() for o in data)

def test_killed(tmp_path):
    files,stores = pictures(tmp_path, 2000),tmp_path/'stores'
    p = filler(files, stores)
    while not stamped(stores, 2000): time.sleep(.01)
    p.send_signal(signal.SIGKILL)
    p.wait()
    done = stamped(stores, 2000)
    assert 0<done<2000
    store = ImageStore(files, 32, path=stores)
    assert len(store.read)==2000-done
    assert (store.data==ImageStore(files, 32).data).all()

def test_two_at_once(tmp_path):
    files,stores = pictures(tmp_path, 600),tmp_path/'stores'
    assert [p.wait() for p in [filler(files, stores) for _ in range(2)]]==[0,0]
    store = ImageStore(files, 32, path=stores)
    assert not len(store.read)
    assert (store.data==ImageStore(files, 32).data).all()

def test_new_in_place(tmp_path):
    files = pictures(tmp_path, 3)
    ImageStore(files, 32, path=tmp_path/'stores')
    Image.new('RGB', (40,40), 'red').save(files[1])
    os.utime(files[1], ns=(0,0))    # a file that is older than before has changed, too
    store = ImageStore(files, 32, path=tmp_path/'stores')
    assert store.read.tolist()==[1]
    assert store.data[1,0].min()==255

def test_cut(tmp_path):
    files,stores = pictures(tmp_path, 5),tmp_path/'stores'
    whole = ImageStore(files, 32, path=stores)
    data = whole.path.read_bytes()
    whole.path.write_bytes(data[:-20])    # one stamp and a part of another
    assert ImageStore(files, 32, path=stores).read.tolist()==[3,4]
    whole.path.unlink()
    assert len(ImageStore(files, 32, path=stores).read)==5
