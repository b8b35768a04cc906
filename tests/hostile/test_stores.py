"Stores: arguments that are none, files that are replaced, and a store that somebody cuts while it's in use"
import os, shutil

import numpy as np, pytest
from PIL import Image

from cases import each, end, fails
from siamese_verify.store import ImageStore

def draw(path, k): Image.fromarray(np.random.default_rng(k).integers(0, 256, (6,6,3), dtype=np.uint8)).save(path)
@pytest.fixture
def files(tmp_path):
    for k in range(4): draw(tmp_path/f'{k}.bmp', k)
    return sorted(tmp_path.glob('*.bmp'))

nan,inf = np.nan,np.inf
arguments = {f'size_{o}':(dict(size=o), 'size is') for o in (0, -1, 32.5, '32', None, True, nan, inf, (32,), (1,2,3), (0,8), ('8',8), 10**6, [], 1j)} | {
    f'method_{o}':(dict(method=o), 'method is crop, squish, pad, not') for o in ('stretch', None, 7, '', ['crop'])} | {
    f'n_workers_{o}':(dict(n_workers=o), 'n_workers is a whole number of 0 or more, not') for o in (-1, 1.5, '2', None, nan, True)} | {
    f'max_gb_{o}':(dict(max_gb=o), 'max_gb is a number of 0 or more, not') for o in (-1, nan, inf, '4', None, True)}
@each('o', arguments)
def test_arguments(o, files): end(lambda: ImageStore(files, **dict(size=4) | o[0]), fails(o[1]))

lists = dict(none=([], 'there are no images'), None_=(None, 'there are no images'), numbers=([1,2], 'a file is a name or a path'), missing=(['none.bmp'], 'none.bmp'))
@each('o', lists)
def test_lists(o): end(lambda: ImageStore(o[0], 4), fails(o[1]))

def test_twice(files): end(lambda: ImageStore([*files, files[0]], 4), fails('listed more than once: .*0.bmp'))

places = dict(a_file=lambda p: p/'0.bmp', below_a_file=lambda p: p/'0.bmp'/'stores', number=lambda p: 7, device=lambda p: '/dev/null')
@each('place', places)
def test_places(place, files, tmp_path): end(lambda: ImageStore(files, 4, path=place(tmp_path)), fails('below a file: give another path|expected str, bytes or os.PathLike|argument should be a str'))

# how a file is changed, and that it's read again
def rewrite(f): draw(f, 99)
def same_time(f):
    old = f.stat()
    draw(f, 99)
    os.utime(f, ns=(old.st_atime_ns, old.st_mtime_ns))
def replaced(f):
    new,old = f.with_suffix('.new'),f.stat()
    draw(f.with_name('new.bmp'), 99)
    os.utime(f.with_name('new.bmp'), ns=(old.st_atime_ns, old.st_mtime_ns))
    os.replace(f.with_name('new.bmp'), f)
def of_1970(f): draw(f, 99); os.utime(f, (0,0))
def older(f): draw(f, 99); os.utime(f, (1,1))
def of_the_future(f): draw(f, 99); os.utime(f, (2**33,2**33))
@pytest.mark.parametrize('change', [rewrite, same_time, replaced, of_1970, older, of_the_future])
def test_what_has_changed_is_read_again(change, files, tmp_path):
    ImageStore(files, 4, path=tmp_path/'s')
    change(files[1])
    again = ImageStore(files, 4, path=tmp_path/'s')
    assert again.read.tolist()==[1]
    assert (again.data==ImageStore(files, 4).data).all()
    assert not len(ImageStore(files, 4, path=tmp_path/'s').read)

# what's left of the file of a store, and how many images are read again
cuts = dict(nothing=lambda n: 0, a_byte=lambda n: 1, half=lambda n: n//2, no_stamps=lambda n: n-4*32, a_stamp_less=lambda n: n-32, a_byte_less=lambda n: n-1)
@each('cut', cuts)
def test_a_store_that_was_cut(cut, files, tmp_path):
    "Whoever has it open gets an error, and not the end of the process; the next one fills it again"
    store = ImageStore(files, 4, path=tmp_path/'s')
    right,n = store.data.clone(),store.path.stat().st_size
    os.truncate(store.path, cut(n))
    for ask in lambda: store.batch([0,3]), lambda: store.to('cpu'): end(ask, fails(f'was cut to {cut(n):,} of {n:,} bytes: make the store again'))
    again = ImageStore(files, 4, path=tmp_path/'s')
    assert len(again.read) and (again.data==right).all()
    assert (store.batch([0,3])==right[[0,3]]).all()

def test_a_store_that_is_taken_away(files, tmp_path):
    store = ImageStore(files, 4, path=tmp_path/'s')
    right = store.data.clone()
    shutil.rmtree(tmp_path/'s')
    assert (store.batch([0,3])==right[[0,3]]).all()

bad = dict(empty=b'', text=b'no image', cut=None)
@each('data', bad)
def test_files_that_are_no_images(data, files, tmp_path):
    files[2].write_bytes(files[2].read_bytes()[:40] if data is None else data)
    for _ in range(2): end(lambda: ImageStore(files, 4, path=tmp_path/'s'), fails('2.bmp cannot be read as an image'))
    draw(files[2], 2)
    assert (ImageStore(files, 4, path=tmp_path/'s').data==ImageStore(files, 4).data).all()

def test_more_than_there_is_room_for(files, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: shutil._ntuple_diskusage(10**9, 10**9, 100))
    end(lambda: ImageStore(files, 8, path=tmp_path/'s'), fails('a store of 0.0 MB does not fit into .* where 0.0 MB are free: give another path'))
    assert not (tmp_path/'s').exists()

places_of_damage = dict(first_byte=lambda s: 0, last_pixel=lambda s: s.nbytes-1, middle=lambda s: s.nbytes//2, checksum=lambda s: s.nbytes)
@each('place', places_of_damage)
def test_pixels_that_a_disk_has_changed(place, files, tmp_path):
    "They're an error, and nobody else's pixels are; without the file, all is read anew"
    store = ImageStore(files, 4, path=tmp_path/'s')
    right,k = store.data.clone(),min(place(store)*4//store.nbytes, 3) if place(store)<store.nbytes else 0
    data = bytearray(store.path.read_bytes())
    data[place(store)] ^= 1
    store.path.write_bytes(data)
    again = ImageStore(files, 4, path=tmp_path/'s')
    others = [i for i in range(4) if i!=k]
    assert (again.batch(others)==right[others]).all()
    for ask in lambda: again.batch([k]), lambda: again.batch([others[0],k]), lambda: again.to('cpu'): end(ask, fails(f'is damaged: pixels of 1 image have changed, such as .*{files[k].name}; delete it'))
    store.path.unlink()
    assert (ImageStore(files, 4, path=tmp_path/'s').batch(range(4))==right).all()
