"Images of any mode, and files, folders, tables and arrays that are not as they should be"
import hashlib, itertools, os, shutil, struct, subprocess, sys

import numpy as np, pandas as pd, pytest
from fastai.vision.all import torch
from PIL import Image

from siamese_verify import datasets
from siamese_verify.data import *

def draw(path, *names):
    "A small image under each of the names"
    for o in names:
        (path/o).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (6,4), 'red').save(path/o)
    return path

def counts(splits): return {name: len(idx) for name,idx in splits.items()}

@pytest.fixture
def folder(tmp_path):
    "Four classes of four images"
    return draw(tmp_path/'d', *[f'{c}/{k}.png' for c in 'abcd' for k in range(4)])

modes = ['1','L','P','LA','RGB','RGBA','CMYK','I;16']

def test_modes_look_alike(tmp_path):
    "The same grey gradient, whatever mode it is stored in"
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8,8)
    for mode in modes:
        im = Image.fromarray(grey.astype(np.uint16)*256) if mode=='I;16' else Image.fromarray(grey).convert('L' if mode=='P' else 'RGB').convert(mode)
        im.save(tmp_path/f'{mode}.tif' if mode=='CMYK' else tmp_path/f'{mode}.png')
    for f in tmp_path.iterdir():
        if f.stem!='1': assert abs(np.asarray(open_image(f)).astype(int)-grey[...,None]).max() <= 4, f.stem

def test_truncated(tmp_path):
    Image.effect_noise((64,64), 50).convert('RGB').save(tmp_path/'a.jpg')
    (tmp_path/'b.jpg').write_bytes((tmp_path/'a.jpg').read_bytes()[:900])
    with pytest.raises(ValueError, match='b.jpg cannot be read'): open_image(tmp_path/'b.jpg')

@pytest.mark.parametrize('a,shown', [
    (np.full((4,6), 128, np.uint8), 128), (np.full((4,6), 128*256, np.uint16), 128), (np.full((4,6), 128*256, '>u2'), 128),
    (np.full((4,6,1), .2, np.float16), 51), (np.full((4,6), True), 255), (torch.full((1,4,6), .2), 51), (torch.zeros(3,4,6, dtype=torch.uint8), 0)])
def test_arrays(a, shown): assert set(np.unique(open_image(a)))=={shown}

@pytest.mark.parametrize('a,message', [
    (np.zeros(10), 'shape (10,)'), (np.zeros((0,0,3)), 'shape (0, 0, 3)'), (np.zeros((3,8,10)), 'shape (3, 8, 10)'), (np.zeros((8,8,2)), 'shape (8, 8, 2)'),
    (torch.zeros(1,3,8,8), 'shape (1, 3, 8, 8)'), (np.zeros((4,4), int), 'an image of int64'), (np.zeros((4,4), complex), 'an image of complex128'),
    (np.full((4,4), np.nan), 'not from nan to nan'), (np.full((4,4), 255.), 'not from 255 to 255'), (np.full((4,4), -1.), 'not from -1 to -1')])
def test_what_is_no_image(a, message):
    with pytest.raises(ValueError) as e: open_image(a)
    assert message in str(e.value)

@pytest.mark.parametrize('o', [None, 7, b'bytes', [1,2]])
def test_no_image_at_all(o):
    with pytest.raises(TypeError, match='an image is a file, a Pillow image, an array or a tensor'): open_image(o)

def test_float_files(tmp_path):
    "Two frames of a series are shown alike, whatever their own maximum"
    for name,high in ('a.tif',1.), ('b.tif',.5):
        Image.fromarray(np.array([[0,.5,high]], np.float32)).save(tmp_path/name)
        assert np.asarray(open_image(tmp_path/name))[0,1,0]==128
    for k,o in enumerate([1.01, np.nan]):
        Image.fromarray(np.array([[0,o]], np.float32)).save(tmp_path/f'{k}.tif')
        with pytest.raises(ValueError, match=f'{k}.tif cannot be read as an image .floats of an image go from 0 to 1'): open_image(tmp_path/f'{k}.tif')

def test_integers_in_files(tmp_path):
    "Pillow opens a PGM of 16 bits with 32; what is white among 32 bits has to be said"
    (tmp_path/'a.pgm').write_bytes(b'P5 2 1 65535\n'+np.array([0,128*256], '>u2').tobytes())
    assert np.asarray(open_image(tmp_path/'a.pgm'))[0,:,0].tolist()==[0,128]
    Image.fromarray(np.array([[0,128*256]], np.int32)).save(tmp_path/'a.tif')
    with pytest.raises(ValueError, match='may mean anything by white'): open_image(tmp_path/'a.tif')
    assert np.asarray(open_image(tmp_path/'a.tif', scale=128*256))[0,:,0].tolist()==[0,255]

def test_turned_once(tmp_path):
    a = np.arange(48, dtype=np.uint8).reshape(4,4,3)
    for k,turned in {1:a, 2:a[:,::-1], 3:a[::-1,::-1], 4:a[::-1], 5:a.swapaxes(0,1), 6:np.rot90(a,-1), 7:np.rot90(a,2).swapaxes(0,1), 8:np.rot90(a)}.items():
        exif = Image.Exif(); exif[0x0112] = k
        Image.fromarray(a).save(tmp_path/'a.png', exif=exif)
        im = open_image(tmp_path/'a.png')
        assert (np.asarray(im)==turned).all() and (np.asarray(open_image(im))==turned).all()

def test_exif_that_cannot_be_written_back(tmp_path):
    "The resolution is a text"
    entries = struct.pack('<HHII', 0x0112, 3, 1, 6) + struct.pack('<HHI4s', 0x011A, 2, 2, b'x')
    Image.new('RGB', (8,4)).save(tmp_path/'a.jpg', exif=b'Exif\0\0II*\0' + struct.pack('<IH', 8, 2) + entries + bytes(4))
    assert open_image(tmp_path/'a.jpg').size==(4,8)

def test_bombs(tmp_path):
    from PIL.PngImagePlugin import PngInfo
    info = PngInfo()
    info.add_text('a', 'a'*10**7, zip=True)
    Image.new('L', (4,4)).save(tmp_path/'text.png', pnginfo=info)
    Image.new('1', (20000,20000)).save(tmp_path/'large.png')
    for o in 'text.png','large.png':
        with pytest.raises(ValueError, match=f'{o} cannot be read'): open_image(tmp_path/o)

@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no named pipes')
def test_named_pipe(folder):
    os.mkfifo(folder/'a'/'x.png')
    with pytest.raises(OSError, match='x.png is a named pipe: give a file'): open_image(folder/'a'/'x.png')
    with pytest.raises(ValueError, match='1 of 17 files cannot be read as images: .*x.png is a named pipe'): LabeledImages.from_folder(folder).check()

@pytest.mark.filterwarnings('ignore')    # Pillow's, of tags that make no sense
def test_damaged_files(folder):
    "Whatever bytes are changed, an image opens or is named"
    rng,whole = np.random.default_rng(0),{}
    for suffix in 'jpg','png','tif','gif','bmp':
        Image.effect_noise((32,32), 50).convert('RGB').save(folder/f'x.{suffix}')
        whole[suffix] = np.frombuffer((folder/f'x.{suffix}').read_bytes(), np.uint8)
    for k in range(200):
        suffix = [*whole][k%5]
        a = whole[suffix].copy()
        a[rng.integers(min(len(a), 300), size=8)] = rng.integers(256, size=8)
        (folder/f'x.{suffix}').write_bytes(a.tobytes())
        try: open_image(folder/f'x.{suffix}')
        except ValueError as e: assert f'x.{suffix} cannot be read as an image' in str(e)

def test_splits_are_checked():
    files = [f'{k}.png' for k in range(6)]
    for valid,message in [([3,3], 'more than once'), ([3,99], 'index 99'), ([-1], 'index -1'), ([True,False], 'a mask of 2 for 6'), (.2, 'not .*0.2'),
                          ('valid', "not .*'valid'"), ({0,1}, 'not {0, 1}'), ([[1,2],[3,4]], 'not .*1'), (lambda o: ([0,1,2],[2,3]), 'more than once'),
                          (dict(train=[0], valid=[True,False]), 'a mask of 2 for 6'), (lambda o: [[0]]*5, '5 splits: give a dictionary')]:
        with pytest.raises(ValueError, match=message): LabeledImages(files, 'aaabbb', valid)
    for valid in np.array([1,3], np.uint8), torch.tensor([1,3]), range(1,4,2), [False,True,False,True,False,False], dict(valid=[1,3]):
        assert LabeledImages(files, 'aaabbb', valid).splits['valid'].tolist()==[1,3]
    assert repr(LabeledImages(files, 'aaabbb', dict(valid=[1,3]))).endswith('valid: 2 images of 2 classes, none of them seen in training')

@pytest.mark.parametrize('kwargs', [dict(valid_pct=-1.), dict(valid_pct=np.nan), dict(seen_pct=2), dict(threshold_pct='1'), dict(seed=-1), dict(seed=1.5), dict(valid_pct=True)])
def test_splitter_is_checked(kwargs):
    with pytest.raises(ValueError, match=f'{next(iter(kwargs))} is a '): ClassSplitter(**kwargs)

@pytest.mark.parametrize('labels,message', [(['a','','b'], '1.png has no label'), (['a',None,'b'], '1.png has no label'), ([1.,np.nan,2.], '1.png has no label'),
                                            ([['a'],['b'],['b']], "0.png is a name or a number, not \\['a'\\]"), (['a',7,'b'], 'all names or all numbers'), ('ab', '3 files, but 2 labels')])
def test_labels_are_checked(labels, message):
    with pytest.raises(ValueError, match=message): LabeledImages(['0.png','1.png','2.png'], labels, [0])

@pytest.mark.parametrize('labels', [torch.tensor([3,3,1]), [*torch.tensor([3,3,1])], np.array([3,3,1], np.int16), pd.Series([3,3,1]), pd.Categorical([3,3,1])])
def test_labels_of_all_kinds(labels):
    images = LabeledImages(['0.png','1.png','2.png'], labels, [0])
    assert images.vocab==[1,3] and images.y.tolist()==[1,1,0] and type(images.vocab[0]) is int

def test_labels_that_differ_in_blanks():
    with pytest.warns(UserWarning, match="differ in blanks, case or spelling alone: 'a', 'a '"): LabeledImages([*'123'], ['a ','a','b'], [0])

@pytest.mark.filterwarnings('ignore')    # of classes inside others
def test_one_file_is_listed_once(folder):
    for o in './0.png', 'x/../0.png':
        with pytest.raises(ValueError, match='listed more than once'): LabeledImages(['0.png', '1.png', o], 'aba', [0])
    (folder/'b'/'link.png').symlink_to(folder/'a'/'0.png')
    with pytest.raises(ValueError, match='b/link.png .as .*a/0.png'): LabeledImages.from_folder(folder)
    (folder/'b'/'link.png').unlink()
    (folder/'c'/'loop').symlink_to(folder)
    with pytest.raises(ValueError, match='c/loop is the same folder as'): LabeledImages.from_folder(folder)

def test_linked_folders_are_read(folder, tmp_path):
    (tmp_path/'linked').mkdir()
    for c in 'abcd': (tmp_path/'linked'/c).symlink_to(folder/c)
    assert len(LabeledImages.from_folder(tmp_path/'linked'))==16

def test_folders_named_like_splits(folder, tmp_path):
    for o in 'train','val','test': shutil.copytree(folder, tmp_path/'e'/o)
    with pytest.warns(UserWarning, match='not read, beside train and val: test'): images = LabeledImages.from_folder(tmp_path/'e')
    assert images.vocab==list('abcd') and counts(images.splits)==dict(train=16, valid=16)
    shutil.rmtree(tmp_path/'e'/'val')
    with pytest.raises(ValueError, match='name the folder of validation images'): LabeledImages.from_folder(tmp_path/'e')
    assert counts(LabeledImages.from_folder(tmp_path/'e', valid='test').splits)==dict(train=16, valid=16)
    with pytest.raises(FileNotFoundError, match='there is no folder .*other'): LabeledImages.from_folder(tmp_path/'e', valid='other')

def test_split_folders_in_upper_case(folder, tmp_path):
    for o in 'Train','Valid': shutil.copytree(folder, tmp_path/'e'/o)
    images = LabeledImages.from_folder(tmp_path/'e')
    assert images.vocab==list('abcd') and counts(images.splits)==dict(train=16, valid=16)

def test_a_class_called_train(tmp_path):
    images = LabeledImages.from_folder(draw(tmp_path, *[f'{c}/{k}.png' for c in ('train','bus','car','bike') for k in range(2)]))
    assert images.vocab==['bike','bus','car','train']

@pytest.mark.parametrize('name,message', [('a/9.unknown', '1 left out, by their names no images: .*a/9.unknown'), ('a/readme', 'a/readme'), ('empty/', 'empty'), ('labels.csv', 'labels.csv')])
def test_what_is_left_out_is_named(folder, name, message):
    if name.endswith('/'): (folder/name).mkdir()
    else: (folder/name).write_text('x')
    with pytest.warns(UserWarning, match=message): assert len(LabeledImages.from_folder(folder))==16

def test_hidden_files_are_left_out(folder, recwarn):
    for o in '.DS_Store', 'a/.directory': (folder/o).parent.mkdir(exist_ok=True); (folder/o).write_text('x')
    assert len(LabeledImages.from_folder(folder))==16 and not recwarn.list

def test_class_in_a_class(folder):
    draw(folder, 'a/sub/0.png')
    with pytest.warns(UserWarning, match='classes of their own, though inside another: a/sub'): LabeledImages.from_folder(folder)

@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid()==0, reason='root may read everything')
def test_folder_that_may_not_be_listed(folder):
    (folder/'a').chmod(0)
    try:
        with pytest.raises(PermissionError, match='a'): LabeledImages.from_folder(folder)
    finally: (folder/'a').chmod(0o755)

def test_path_that_is_too_long(folder):
    "`os.walk` would pass over it without a word"
    fds = [os.open(folder, os.O_RDONLY)]
    for _ in range(25):
        os.mkdir('x'*200, dir_fd=fds[-1])
        fds.append(os.open('x'*200, os.O_RDONLY, dir_fd=fds[-1]))
    for fd in fds: os.close(fd)
    with pytest.raises(OSError, match='too long'): LabeledImages.from_folder(folder)
    shutil.rmtree(folder)

@pytest.mark.parametrize('col,n', [([True,False]*4, [4,4]), (['True','False']*4, [4,4]), ([1,0]*4, [4,4]), ([0.,1.]*4, [4,4]), (['train','Valid','val','test']*2, None),
                                   (['train','Valid','val','threshold']*2, [2,4,2]), ([np.nan,True]*4, None), (['yes','no']*4, None), ([0,-1]*4, None), ([10**9]*8, None)])
def test_is_valid(folder, col, n):
    df = pd.DataFrame(dict(name=sorted(folder.rglob('*.png'))[:8], label=list('abababab'), is_valid=col))
    if n: assert [*counts(LabeledImages.from_df(df).splits).values()]==n
    else:
        with pytest.raises(ValueError, match='rows have no split|cells of column .is_valid. are empty'): LabeledImages.from_df(df)

@pytest.mark.parametrize('text,message', [
    (b'', 'cannot be read as a table'), (b'file,label\na/0.png,a\na/1.png,a,1\n', 'cannot be read as a table'), ('file,label\n\xe4.png,a\n'.encode('latin-1'), 'cannot be read as a table'),
    ('file,label\na/0.png,a\n'.encode('utf-16'), 'cannot be read as a table'), (b'file;label\na/0.png;a\n', 'has one column, .file;label.: save it as CSV, with commas'),
    (b'file,label\na/0.png,\n', "1 cells of column 'label' are empty, the first in row 0"), (b'file,label\nnone.png,a\n', '1 files are missing: .*none.png'),
    (b'a/0.png,a\na/1.png,a\n', "called 'a/0.png', like one of them"), (b'file,label\n', 'there are no images')])
def test_tables(folder, text, message):
    (folder/'x.csv').write_bytes(text)
    with pytest.raises((ValueError,FileNotFoundError), match=message): LabeledImages.from_csv(folder/'x.csv', valid=[0])

def test_fields_without_a_column(folder):
    (folder/'x.csv').write_text('file,label\na/0.png,a,1\na/1.png,a,1\n')
    with pytest.warns(pd.errors.ParserWarning): assert LabeledImages.from_csv(folder/'x.csv', valid=[0]).vocab==['a']

def test_labels_in_tables_are_names(folder):
    (folder/'x.csv').write_text('file,label\na/0.png,007\na/1.png,7\na/2.png,NA\na/3.png,null\n')
    assert LabeledImages.from_csv(folder/'x.csv', valid=[0]).vocab==['007','7','NA','null']

@pytest.mark.parametrize('pat,message', [('(', 'no regular expression'), (r'\d', 'has no group'), ('(x)', 'the name of 0.png does not match')])
def test_patterns(pat, message):
    with pytest.raises(ValueError, match=message): LabeledImages.from_name_re(['0.png'], pat, [0])

def test_names_of_classes_are_no_formulas(folder):
    (folder/'a').rename(folder/'$\\frac$')
    LabeledImages.from_folder(folder).show()

def test_drawn_once(tmp_path, monkeypatch):
    "A lost picture comes back, a strange one stays out"
    monkeypatch.setattr(datasets, 'fastai_path', lambda _: tmp_path)
    images = datasets.Digits()
    images.files[7].unlink()
    shutil.copy(images.files[0], images.files[0].with_name('mine.png'))
    again = datasets.Digits()
    assert again.files==images.files and again.files[7].is_file() and len(again)==1797

def drawn_spots():
    "A digest of some views, of each photograph"
    spots = itertools.islice(datasets._spots(16, 2, 0, more=True), 0, None, 50)
    return hashlib.sha256(b''.join(fn.encode() + draw().tobytes() for fn,draw in spots)).hexdigest()

def test_spots_are_the_same_under_another_hash_seed():
    code = 'from test_data import drawn_spots; print(drawn_spots())'
    env = os.environ | dict(PYTHONHASHSEED='1', OMP_NUM_THREADS='1')
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=os.path.dirname(__file__), env=env, capture_output=True, text=True)
    assert res.stdout.split()==[drawn_spots()], res.stderr

def test_more_spots_need_scikit_image(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, 'fastai_path', lambda _: tmp_path)
    monkeypatch.setitem(sys.modules, 'skimage', None)
    with pytest.raises(ImportError, match='pip install scikit-image'): datasets.Spots(more=True)
    assert not [*tmp_path.rglob('.files')]
