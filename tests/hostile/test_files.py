"One door for files: real paths, one identity for each file, and what's left out is counted and named"
import os, shutil, socket, unicodedata
from pathlib import Path
from dataclasses import asdict

import numpy as np, pandas as pd, pytest, torch
from PIL import Image

from cases import *
from siamese_verify.all import ClassSplitter, LabeledImages, Pairs
from siamese_verify.files import check_writable, locked, write_beside, write_whole
from siamese_verify.gallery import Gallery
from siamese_verify.verifier import Preprocessing, Verifier, build_encoder

def draw(path, *names):
    for k,o in enumerate(names):
        (path/o).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (4,6,3), dtype=np.uint8)).save(path/o)
    return path

@pytest.fixture
def d(tmp_path): return draw(tmp_path/'d', *[f'{c}/{k}.png' for c in 'abcd' for k in range(3)])

def link(new, old): new.parent.mkdir(exist_ok=True); new.symlink_to(old); return new.parent
def write(f, text='x'): f.parent.mkdir(parents=True, exist_ok=True); f.write_text(text)
def copy(new, old): new.parent.mkdir(parents=True, exist_ok=True); shutil.copy(old, new)
def bound(f): socket.socket(socket.AF_UNIX).bind(os.path.relpath(f))
def n_images(n): return lambda o: len(o)==n

# what is added to a folder of 12 images in 4 classes, and what becomes of it
folders = dict(
    nothing=(lambda d: None, n_images(12)),
    link_into_another_class=(lambda d: link(d/'b/x.png', d/'a/0.png'), fails('listed more than once: .*b/x.png .as .*a/0.png')),
    relative_link=(lambda d: link(d/'b/x.png', '../a/0.png'), fails('listed more than once: .*b/x.png .as .*a/0.png')),
    link_in_its_class=(lambda d: link(d/'a/x.png', d/'a/0.png'), fails('listed more than once')),
    link_to_a_parent=(lambda d: link(d/'a/loop', d), fails('a/loop is the same folder as .*/d: take the link out')),
    link_to_its_own_folder=(lambda d: link(d/'a/loop', d/'a'), fails('a/loop is the same folder as .*d/a: take the link out')),
    linked_class_twice=(lambda d: link(d/'e', d/'a'), fails('the same folder as')),
    two_loops=(lambda d: [link(d/'a/x', d/'b'), link(d/'b/y', d/'a')], fails('the same folder as')),
    broken_link=(lambda d: link(d/'a/x.png', d/'nowhere.png'), fails('x.png')),
    link_to_itself=(lambda d: link(d/'a/x.png', d/'a/x.png'), fails('x.png')),
    pipe=(lambda d: os.mkfifo(d/'a/x.png'), fails('x.png is a named pipe: give a file')), device=(lambda d: link(d/'a/x.png', '/dev/zero'), fails('x.png is a device')), socket=(lambda d: bound(d/'a/x.png'), fails('x.png is a socket')),
    other_suffix=(lambda d: write(d/'a/notes.txt'), warns('1 left out, by their names no images: .*a/notes.txt')),
    no_suffix=(lambda d: write(d/'a/readme'), warns('1 left out.*a/readme')),
    six_others=(lambda d: [write(d/f'a/{k}.xyz') for k in range(6)], warns('6 left out.*and 1 more')),
    empty_class=(lambda d: (d/'e').mkdir(), warns('1 left out.*d/e')),
    class_of_texts=(lambda d: write(d/'e/a.txt'), warns('1 left out.*e/a.txt')),
    two_empty_classes=(lambda d: [(d/o).mkdir() for o in 'ef'], warns('2 left out')),
    macosx=(lambda d: write(d/'__MACOSX/a/._0.png'), warns('__MACOSX')),
    macosx_picture=(lambda d: draw(d, '__MACOSX/a/0.png'), warns('__MACOSX')),
    dot_underscore=(lambda d: write(d/'a/._0.png'), warns(r'1 .*left out.*a/\._0\.png')),
    ds_store=(lambda d: write(d/'.DS_Store'), n_images(12)), thumbs=(lambda d: write(d/'a/Thumbs.db'), warns('a/Thumbs.db')),
    hidden_picture=(lambda d: draw(d, 'a/.x.png'), warns(r'1 .*left out.*a/\.x\.png')),
    hidden_folder=(lambda d: draw(d, '.cache/x.png'), warns(r'left out.*\.cache')),
    checkpoints=(lambda d: draw(d, '.ipynb_checkpoints/x.png'), warns(r'left out.*ipynb_checkpoints')),
    stray=(lambda d: draw(d, 'x.png'), fails('x.png is in no class folder: move it')),
    class_in_a_class=(lambda d: draw(d, 'a/sub/0.png'), warns('classes of their own, though inside another: a/sub')),
    upper_case_class=(lambda d: draw(d, 'Cat/0.png', 'cat/1.png'), warns("differ in blanks, case or spelling alone: 'Cat', 'cat'")),
    letters=(lambda d: draw(d, 'A/0.png', 'A/1.png'), n_images(14)),
    blank_class=(lambda d: draw(d, 'a /0.png', 'a /1.png'), warns("differ in blanks, case or spelling alone: 'a', 'a '")),
    upper_case_suffix=(lambda d: (d/'a/0.png').rename(d/'a/0.PNG'), n_images(12)),
    composed=(lambda d: draw(d, 'é/0.png', unicodedata.normalize('NFD', 'é')+'/1.png'), warns('differ in')),
    odd_names=(lambda d: draw(d, '🐶/0.png', '$\\frac$/1.png', 'a b/2.png', "q'\"/3.png"), n_images(16)),
    train_without_valid=(lambda d: draw(d, 'train/a/0.png'), fails('train is there: name the folder of validation images')),
    train_without_valid_in_upper_case=(lambda d: draw(d, 'TRAIN/a/0.png'), fails('TRAIN is there: name the folder')),
    train_is_a_class=(lambda d: draw(d, 'train/0.png', 'train/1.png'), n_images(14)),
    both_cases=(lambda d: draw(d, 'Train/a/0.png', 'train/a/0.png', 'valid/a/1.png'), fails('Train.*train|train.*Train')),
    valid_without_train=(lambda d: draw(d, 'valid/a/0.png', 'valid/b/0.png'), fails('valid is there, but no train/: name the folder of training images')))
@each('o', folders)
def test_folders(o, d, monkeypatch):
    monkeypatch.chdir(d)
    o[0](d)
    end(lambda: LabeledImages.from_folder(d).check(), o[1])

@pytest.mark.skipif(os.geteuid()==0 if hasattr(os, 'geteuid') else True, reason='root may read everything')
@pytest.mark.parametrize('mode', [0, 0o100, 0o200, 0o400])
def test_class_that_may_not_be_read(d, mode):
    (d/'a').chmod(mode)
    try: end(lambda: LabeledImages.from_folder(d).check(), fails('a.*: .*Permission|Permission.*a|cannot be read'))
    finally: (d/'a').chmod(0o755)

@pytest.mark.parametrize('e', [PermissionError(13, 'Permission denied'), OSError(36, 'File name too long'), OSError(5, 'Input/output error')])
def test_class_that_cannot_be_listed(d, e, monkeypatch):
    "`os.walk` would pass over it without a word"
    scan = os.scandir
    def _scan(path):
        if str(path).endswith('/a'): raise OSError(*e.args, str(path))
        return scan(path)
    monkeypatch.setattr(os, 'scandir', _scan)
    end(lambda: LabeledImages.from_folder(d), fails(f'{e.args[1]}.*d/a'))

trees = {f'{t}_{v}':(t, v) for t in ('train','Train','TRAIN') for v in ('valid','val','Valid','VAL')}
@each('o', trees)
def test_split_folders(o, d, tmp_path):
    for name in o: shutil.copytree(d, tmp_path/'e'/name)
    images = LabeledImages.from_folder(tmp_path/'e')
    assert images.vocab==list('abcd') and [len(v) for v in images.splits.values()]==[12,12]

where = dict(missing=('none', 'there is no folder .*none'), a_file=('a/0.png', 'there is no folder .*a/0.png'), no_pictures=('empty', 'there are no image files in .*empty'))
@each('o', where)
def test_places(o, d):
    (d/'empty').mkdir()
    end(lambda: LabeledImages.from_folder(d/o[0]), fails(o[1]))

names = [f'{k}.png' for k in range(8)]
# two spellings of one file in a list
@pytest.mark.parametrize('twin', ['0.png', './0.png', 'x/../0.png', './/0.png', '././0.png', os.path.join(os.getcwd(), '0.png'), f'../{os.path.basename(os.getcwd())}/0.png'])
def test_spellings_of_a_file(twin): end(lambda: LabeledImages([*names, twin], 'aabbccdda'), fails('listed more than once: .*0.png .as 0.png'))

lists = dict(
    empty=([], 'there are no images'), none=(None, 'there are no images'), numbers=([1,2], 'a file|path'), a_None=(['a.png',None], 'a file|path'), bytes=([b'a.png'], 'a file|path'),
    arrays=([np.zeros((4,4)), np.ones((4,4))], 'a file|path'), NaN=(['a.png', np.nan], 'a file|path'))
@each('o', lists)
def test_lists(o): end(lambda: LabeledImages(o[0], None if not o[0] else [*range(len(o[0]))], [0]), fails(o[1]))

nan,T = np.nan,torch.tensor
labels = dict(
    letters=(list('aabbccdd'), list('abcd')), tensor=(T([3,3,1,1,2,2,0,0]), [0,1,2,3]), tensors=([*T([3,3,1,1,2,2,0,0])], [0,1,2,3]), array=(np.array([3,3,1,1,2,2,0,0]), [0,1,2,3]),
    series=(pd.Series(list('aabbccdd')), list('abcd')), categorical=(pd.Categorical(list('aabbccdd')), list('abcd')), shuffled_index=(pd.Series(list('aabbccdd'), index=[7,6,5,4,3,2,1,0]), list('abcd')),
    zeros=(['007','007','7','7','b','b','c','c'], ['007','7','b','c']), NA=(['NA','NA','null','null','nan','nan','None','None'], ['NA','None','nan','null']), bools=([True]*4+[False]*4, [False,True]),
    floats=([1.5,1.5,2,2,3,3,4,4], [1.5,2,3,4]), one_and_1_0=([1,1.,2,2,3,3,4,4], [1,2,3,4]), zero_dim_arrays=([*map(np.array, [3,3,1,1,2,2,0,0])], [0,1,2,3]),
    blank=(['a','a','','','b','b','c','c'], fails('2.png has no label')), space=(['a','a',' ',' ','b','b','c','c'], fails('2.png has no label')), None_=(['a',None]*4, fails('1.png has no label')),
    NaN=([1.,nan]*4, fails('1.png has no label')), NaN_among_names=(['a',nan]*4, fails('1.png has no label')), NaN_tensor=(T([1.,nan]*4), fails('1.png has no label')), NaT=([pd.NaT]*8, fails('0.png has no label')), NA_=([pd.NA]*8, fails('0.png has no label')),
    inf=([1.,np.inf]*4, [1., np.inf]), lists=([['a']]*8, fails(r"label of 0.png is a name or a number, not \['a'\]")), dicts=([{}]*8, fails('label of 0.png')), one_hot=(torch.eye(8), fails('label of 0.png')), mixed=(['a',7]*4, fails('all names or all numbers')),
    bytes=([b'a']*8, fails('label of 0.png is a name or a number')), complex_=([1j]*8, fails('label of 0.png|all names')), too_few=(list('aab'), fails('8 files, but 3 labels')), too_many=(list('aabbccdde'), fails('8 files, but 9 labels')),
    one_number=(7, fails('labels')), a_name=('cats', fails('8 files, but 4 labels')), none=(None, None), blanks_at_ends=(['a','a ',' a','a','b','b','c','c'], warns("differ in blanks, case or spelling alone")), case=(['Cat','cat']*4, warns("differ in blanks, case or spelling alone: 'Cat', 'cat'")), letters_of_both_cases=(['A','a']*4, ['A','a']),
    case_of_one_letter_of_script=(['ß','ss']*4, ['ss','ß']))
@each('o', labels)
def test_labels(o): end(lambda: LabeledImages(names, o[0], [0]).vocab, o[1])

valids = dict(
    indices=([1,3], [1,3]), unsorted=([3,1], [3,1]), tensor=(T([1,3]), [1,3]), mask=([False,True]*2+[False]*4, [1,3]), range=(range(1,4,2), [1,3]), uint8=(np.array([1,3], np.uint8), [1,3]), one=(3, [3]), dictionary=(dict(train=[0,2], valid=[1,3]), [1,3]),
    twice=([3,3], fails('3.png is in the splits more than once')), negative=([-1], fails('index -1 in a split of 8')), beyond=([8], fails('index 8 in a split of 8')), share=(.2, fails('valid is a splitter, .* not .*0.2')), floats=([1.,3.], fails('valid is a splitter')),
    name=('valid', fails("valid is a splitter, .*'valid'")), a_set=({1,3}, fails(r'valid is a splitter.*\{1, 3\}')), nested=([[1],[3]], fails('valid is a splitter')), NaN=([nan], fails('valid is a splitter')), None_in=([None], fails('valid is a splitter')), complex_=([1j], fails('valid is a splitter')),
    short_mask=([True,False], fails('a mask of 2 for 8')), unknown_split=(dict(tests=[1]), fails('splits are called train, valid, threshold, seen, not tests')), number_as_name=({0:[1]}, fails('splits are called .* not 0')), overlap=(dict(train=[1], valid=[1]), fails('1.png is in the splits more than once')),
    five=(lambda o: [[0]]*5, fails('5 splits')), splitter_of_nothing=(lambda o: None, fails('splitter')), huge=([10**12], fails('index 1000000000000')), beyond_int64=([2**70], fails('valid is a splitter')), raises=(ClassSplitter(valid_pct=.9), fails('2 classes for training besides 4')))
@each('o', valids)
def test_valid(o): end(lambda: LabeledImages(names, list('aabbccdd'), o[0]).splits['valid'].tolist(), o[1])

patterns = dict(open=('(', 'is no regular expression'), None_=(None, 'None is no regular expression'), number=(7, '7 is no regular expression'), no_group=(r'\d', 'has no group'), no_match=('(zzz)', "the name of .* does not match"))
@each('o', patterns)
def test_patterns(o): end(lambda: LabeledImages.from_name_re(names, o[0], [0]), fails(o[1]))

shares = {f'{k}_{o}':(k, o) for k in ('valid_pct','threshold_pct','seen_pct') for o in (-1, -.1, 1.1, 2, nan, np.inf, '.2', None, True, [.2], 1j)}
@each('o', shares)
def test_shares(o): end(lambda: ClassSplitter(**{o[0]:o[1]}), fails(f'{o[0]} is a number from 0 to 1, not'))

@pytest.mark.parametrize('seed', [-1, 1.5, nan, None, '7', [1], True, 1j])
def test_seeds(seed):
    for make in ClassSplitter, lambda seed: Pairs(LabeledImages(names, list('aabbccdd')), seed=seed):
        end(lambda: make(seed=seed), fails('seed is a whole number of 0 or more, not'))

subsets = dict(
    numbers=([0,2], [0,2]), array=(np.array([0,2]), [0,2]), tensor=(T([0,2]), [0,2]), mask=([True,False,True]+[False]*5, [0,2]), mask_array=(np.arange(8)%4==2, [2,6]), mask_tensor=(T([True]*2+[False]*6), [0,1]), one=(3, [3]), a_slice=(slice(0,2), fails('numbers of images')),
    nothing=([], fails('there are no images')), no_mask=([False]*8, fails('there are no images')), short_mask=([True], fails('a mask of 1 for 8')), beyond=([8], fails('8')), negative=([-1], fails('-1')), twice=([1,1], fails('more than once')), a_name=('valid', fails('numbers of images.*valid')), floats=([1.], fails('numbers of images')), None_=(None, fails('numbers of images')))
@each('o', subsets)
def test_subsets(o):
    images = LabeledImages(names, list('aabbccdd'))
    end(lambda: [int(f.stem) for f in images.subset(o[0]).files], o[1])

@pytest.mark.parametrize('make', [copy, lambda new,old: os.link(old, new)], ids=['copy','hard_link'])
def test_copies_are_told(d, make):
    "The same picture, by content, in two classes or in two splits: the audit says so, and names both"
    make(d/'b/copy.png', d/'a/0.png')
    images = LabeledImages.from_folder(d)
    assert any('exact copies across' in o and 'a/0.png' in o and 'b/copy.png' in o for o in images.audit().lines())

# what is added to a folder of people, and how their enrolment ends: nobody is left out without a word
people = dict(
    pipe=(lambda d: os.mkfifo(d/'a/x.png'), fails('x.png is a named pipe: give a file')), socket=(lambda d: bound(d/'a/x.png'), fails('x.png is a socket: give a file')), broken_link=(lambda d: link(d/'a/x.png', d/'nowhere.png'), fails('there is no file .*x.png')), link_to_itself=(lambda d: link(d/'a/x.png', 'x.png'), fails('x.png cannot be read .Too many levels')),
    device=(lambda d: link(d/'a/x.png', '/dev/zero'), fails('x.png is a device: give a file')), link_to_a_parent=(lambda d: link(d/'a/loop', d), fails('the same folder as')), linked_person=(lambda d: link(draw(d.parent/'e', 'e/7.png', 'e/8.png') and d/'e', d.parent/'e/e'), lambda g: 'e' in g.names),
    empty=(lambda d: write(d/'a/x.png', ''), fails('x.png cannot be read as an image')), texts=(lambda d: write(d/'a/x.txt'), warns('left out: x.txt')), nobody=(lambda d: (d/'e').mkdir(), warns('left out: e')), hidden=(lambda d: draw(d, '..e/0.png'), warns(r'left out: \.\.e')),
    two_lines=(lambda d: draw(d, 'a\nb/9.png'), fails('a name is 1 to 200 characters that can be printed')), turned_about=(lambda d: draw(d, '\u202ea/9.png'), fails('a name is')), accents=(lambda d: both_ways(d), lambda g: g.names.count('\u00e9')==2), of_windows=(lambda d: draw(d, 'CON/other/9.png'), lambda g: 'CON/other' in g.names))
def both_ways(d):
    for k,o in enumerate(('\u00e9','e\u0301')): draw(d/o, *[f'{n}.png' for n in range(3*k+20)])    # another picture each
    for o in '\u00e9','e\u0301': [f.unlink() for f in sorted((d/o).iterdir(), key=lambda f: int(f.stem))[:-1]]
@each('o', people)
def test_enrolment(o, d, monkeypatch):
    monkeypatch.chdir(d)
    for k,f in enumerate(sorted(d.rglob('*.png'))): Image.fromarray(np.random.default_rng(100+k).integers(0, 256, (4,6,3), dtype=np.uint8)).save(f)
    o[0](d)
    torch.manual_seed(0)
    recipe = dict(kind='small', n_out=16, n_layers=2)
    config = dict(format=1, library='siamese_verify', encoder=[recipe], preprocessing=asdict(Preprocessing('squish', 8, 8)), metric='normalized_squared_euclidean_distance', threshold=.1,
                  fitted=dict(on=None, objective=None, warning=None), calibration=None, unsure=None, rates={}, not_measured=[], made={})
    end(lambda: Verifier(build_encoder([recipe]), config).enroll(d), o[1])

# what a file is written over, and what's there then
def test_a_link_and_rights_are_kept(tmp_path):
    "Who writes through a link writes the file that others read, and a private one stays private"
    write(tmp_path/'real/x', 'before')
    (tmp_path/'real/x').chmod(0o600)
    link(tmp_path/'link', tmp_path/'real/x')
    write_beside(tmp_path/'link', b'after')
    assert (tmp_path/'link').is_symlink() and (tmp_path/'real/x').read_text()=='after' and (tmp_path/'real/x').stat().st_mode & 0o777==0o600
    with locked(tmp_path/'real/x'): end(lambda: locked(tmp_path/'link', .1).__enter__(), fails('link|x has been locked by another process'))

no_places = dict(folder=(lambda p: p, 'is a folder: give the name of a file'), pipe=(lambda p: os.mkfifo(p/'x') or p/'x', 'x is a named pipe: give the name of a file'), device=(lambda p: Path('/dev/null'), 'null is a device'), link_to_a_device=(lambda p: link(p/'x', '/dev/null')/'x', 'x is a device'), below_a_file=(lambda p: write(p/'x') or p/'x/y', 'x/y cannot be written'))
@each('o', no_places)
def test_places_to_write_to(o, tmp_path):
    "Nothing is put in the place of a pipe or a device, and what takes long looks first"
    place = o[0](tmp_path)
    for do in lambda: write_beside(place, b'x'), lambda: check_writable(place): end(do, fails(o[1]))
    assert Path('/dev/null').is_char_device()

def test_a_disk_that_is_full_for_pytorch(tmp_path):
    "Whose error is none of the system, and names no file"
    (tmp_path/'x').write_text('before')
    def full(tmp): raise RuntimeError('[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0')
    end(lambda: write_whole(tmp_path/'x', full), fails('x cannot be written, as on a disk that is full .*: give another place'))
    assert (tmp_path/'x').read_text()=='before' and [o.name for o in tmp_path.iterdir()]==['x']

def test_tables_of_names_that_are_not_utf8(d, tmp_path):
    for c in 'abcd': os.rename(d/c/'0.png', os.fsencode(d/c)+b'/caf\xe9.png')
    os.rename(d/'a', os.fsencode(d)+b'/\xe9')
    images = LabeledImages.from_folder(d, ClassSplitter(.5))
    df = Pairs(images, factor=4).to_df()
    assert any('caf\udce9' in o for o in df.left) and len(images.audit().to_df())>=0
