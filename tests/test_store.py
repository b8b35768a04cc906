"An image store whose filling is killed or stopped, and one that two processes fill at once; full disks, odd files"
import os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np, pytest
from fastcore.foundation import L
from PIL import Image

from siamese_verify import store as module
from siamese_verify.store import ImageStore

def pictures(path, n):
    "The files of `n` random pictures"
    rng = np.random.default_rng(42)
    for k in range(n): Image.fromarray(rng.integers(0, 256, (40,40,3), dtype=np.uint8)).save(path/f'{k:04}.png')
    return L(sorted(path.glob('*.png')))

def filler(files, path, pause=.001, **kwargs):
    "A process that fills a store below `path`, and pauses before each image"
    code = '''import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)    # which a shell may have taken away
from siamese_verify import store
read = store._read
def slow(*args):
    print('reading', flush=True)
    time.sleep(float(sys.argv[3]))
    return read(*args)
store._read = slow
store.ImageStore(sorted(Path(sys.argv[1]).glob('*.png')), 32, path=sys.argv[2], n_workers=2)'''
    args = [sys.executable, '-W', 'ignore', '-c', code, files[0].parent, path, str(pause)]
    return subprocess.Popen(args, **{'stdout':subprocess.DEVNULL, **kwargs})

def stamped(path, n):
    "How many stamps are at the end of the file of the store"
    data = [f.read_bytes()[-32*n:] for f in path.glob('*.images')]
    return sum((np.frombuffer(o, np.int64).reshape(-1,4)!=0).any(1).sum() for o in data)

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
    whole.path.write_bytes(data[:-40])    # one stamp and a part of another
    assert ImageStore(files, 32, path=stores).read.tolist()==[3,4]
    whole.path.unlink()
    assert len(ImageStore(files, 32, path=stores).read)==5

def test_interrupted(tmp_path):
    "Ctrl-C waits for the images that are being read, not for all that are to come"
    p = filler(pictures(tmp_path, 300), tmp_path/'stores', pause=.2, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    out,err = p.communicate(timeout=20)    # all would take 30 s
    assert b'KeyboardInterrupt' in err
    assert out.count(b'reading') < 100

def test_large_goes_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'fastai_path', lambda folder: tmp_path/folder)
    files = pictures(tmp_path, 3)
    store = ImageStore(files, 32, max_gb=1e-6)
    assert store.path.parent==tmp_path/'data'/'siamese_stores'
    assert (store.data==ImageStore(files, 32).data).all()
    assert str(store.path) in repr(store)

def test_disk_that_fills_up(tmp_path, monkeypatch):
    "Whatever takes the room between the look and the file, nothing is left behind"
    files = pictures(tmp_path, 3)
    def fail(f, size):
        f.write(bytes(100))
        f.flush()
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(module, '_lengthen', fail)
    with pytest.raises(OSError, match='No space left'): ImageStore(files, 32, path=tmp_path/'stores')
    assert not list((tmp_path/'stores').iterdir())
    monkeypatch.undo()
    store = ImageStore(files, 32, path=tmp_path/'stores')
    cut = store.path.read_bytes()[:1000]
    store.path.write_bytes(cut)
    monkeypatch.setattr(module, '_lengthen', fail)
    with pytest.raises(OSError, match='No space left'): ImageStore(files, 32, path=tmp_path/'stores')
    assert store.path.read_bytes()==cut

def test_empty_file_of_1970(tmp_path):
    (tmp_path/'a.png').touch()
    os.utime(tmp_path/'a.png', (0,0))
    for _ in range(2):
        with pytest.raises(ValueError, match='a.png cannot be read'): ImageStore([tmp_path/'a.png'], 32, path=tmp_path/'stores')

def test_name_that_is_not_utf8(tmp_path):
    file = Path(os.fsdecode(os.fsencode(tmp_path)+b'/caf\xe9.png'))
    Image.new('RGB', (40,40), 'red').save(tmp_path/'a.png')
    os.rename(tmp_path/'a.png', file)
    ImageStore([file], 32, path=tmp_path/'stores')
    assert not len(ImageStore([file], 32, path=tmp_path/'stores').read)

@pytest.mark.parametrize('kwargs', [dict(size=32.5), dict(size=(32,)), dict(size=None), dict(size=True), dict(size=32, max_gb=float('nan')),
                                    dict(size=32, method=None), dict(size=32, n_workers=1.5)])
def test_arguments(tmp_path, kwargs):
    with pytest.raises(ValueError): ImageStore(pictures(tmp_path, 1), **kwargs)

def test_no_threads(tmp_path):
    files = pictures(tmp_path, 3)
    assert (ImageStore(files, np.int64(32), n_workers=0).data==ImageStore(files, [32,32]).data).all()
