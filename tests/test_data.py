"Pairs of any class sizes, images of any mode, any number of workers"
import pickle, shutil
from collections import Counter

import numpy as np, pandas as pd, pytest
from fastai.vision.all import ColReader, ColSplitter, DataBlock, IntToFloatTensor, Resize, TfmdLists, ToTensor, range_of, torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from siamese_verify.data import *
from siamese_verify.data import _draw_distinct

def one_split(sizes):
    "Images of classes of these sizes, all in one split"
    y = np.repeat(np.arange(len(sizes)), sizes)
    return LabeledImages([f'{k}.png' for k in range(len(y))], y, valid=lambda o: [np.arange(len(o))])

@settings(max_examples=200)
@given(st.lists(st.integers(1,6), min_size=2, max_size=8).filter(lambda o: max(o)>1), st.floats(.2,6), st.floats(0,1), st.integers(0,99))
def test_pairs(sizes, factor, same, seed):
    images = one_split(sizes)
    table = Pairs(images, factor, same, seed)[0]
    n = max(2, round(factor*len(images)))
    assert len(table)==n and table[:,2].sum()==round(n*same)
    i,j,s = table.T
    assert (i!=j).all() and (s==(images.y[i]==images.y[j])).all()
    for kind in 0,1:
        count = Counter(map(frozenset, table[s==kind,:2].tolist()))
        all_same = sum(m*(m-1)//2 for m in sizes)
        distinct = all_same if kind else len(images)*(len(images)-1)//2 - all_same
        assert len(count)==min(distinct, (s==kind).sum())          # nothing twice before everything once,
        if count: assert max(count.values())-min(count.values())<=1  # and then evenly

def test_draws_are_uniform():
    rng = np.random.default_rng(0)
    for size in 5,40:   # a shuffle, and a draw with rejection
        sets = Counter(frozenset(_draw_distinct(np.array([2]), np.array([size]), rng)[1].tolist()) for _ in range(20*size*(size-1)))
        assert len(sets)==size*(size-1)//2
        assert sum((n-40)**2/40 for n in sets.values()) < len(sets) + 5*np.sqrt(2*len(sets))   # chi-squared

def test_large_classes_do_not_crowd_out_small_ones():
    images = one_split([100, 10, 10])
    i,_,same = Pairs(images, 1).draw().T
    assert np.bincount(images.y[i[same==1]]).tolist()==[50,5,5]

modes = ['1','L','P','LA','RGB','RGBA','CMYK','I;16']

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "Images of all modes and many sizes, in four classes"
    path = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for k,mode in enumerate(modes*3):
        im = Image.fromarray(rng.integers(0, 256, (20+k, 30-k, 3), dtype=np.uint8))
        im = im.convert('RGBA') if mode=='RGBA' else Image.fromarray(np.asarray(im.convert('L')).astype(np.uint16)*257) if mode=='I;16' else im.convert(mode)
        (path/f'{k%4}').mkdir(exist_ok=True)
        exif = Image.Exif(); exif[0x0112] = 6
        im.save(path/f'{k%4}'/(f'{k}.tif' if mode=='CMYK' else f'{k}.png'), exif=exif)
    return path

def by_pairs(images, **kw): return Pairs(images).dls(after_item=Resize(16), **kw)
def by_transform(images, **kw):
    tls = TfmdLists(range_of(images), PairTransform(images), splits=images.splits, dl_type=PairDL)
    return tls.dataloaders(after_item=[Resize(16), ToTensor], after_batch=IntToFloatTensor, **kw)
def by_block(images, **kw):
    block = DataBlock((ImagePairBlock, SameBlock), get_x=ColReader(['left','right']), get_y=ColReader('same'), splitter=ColSplitter(), item_tfms=Resize(16))
    return block.dataloaders(Pairs(images).to_df(), **kw)
def by_one_line(images, **kw): return PairDataLoaders.from_images(images, item_tfms=Resize(16), **kw)

@pytest.mark.parametrize('way', [by_pairs, by_transform, by_block, by_one_line])
@pytest.mark.parametrize('num_workers', [0,2])
def test_ways(folder, way, num_workers):
    images = LabeledImages.from_folder(folder)
    dls = way(images, bs=4, num_workers=num_workers, device='cpu')
    n = 0
    for dl in dls:
        for x,y in dl:
            assert type(x) is ImagePair and x[0].shape==x[1].shape==(len(y),3,16,16) and x[0].dtype==torch.float32
            n += len(y)
    assert n > 8
    dls.show_batch(show=False)

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

def test_splits_are_checked():
    files = [f'{k}.png' for k in range(6)]
    for valid,message in [([3,3], 'more than once'), ([3,99], 'index 99'), ([-1], 'index -1'), ([True,False], 'a mask of 2 for 6'), (.2, 'not 0.2'),
                          (lambda o: ([0,1,2],[2,3]), 'more than once')]:
        with pytest.raises(ValueError, match=message): LabeledImages(files, 'aaabbb', valid)
    with pytest.raises(ValueError, match='listed more than once'): LabeledImages([*files, './0.png'], 'aaabbba', [0])

def test_folders_named_like_splits(folder, tmp_path):
    for o in 'train','val','test': shutil.copytree(folder, tmp_path/o)
    with pytest.warns(UserWarning, match='not read, beside train and val: test'): images = LabeledImages.from_folder(tmp_path)
    assert images.vocab==list('0123') and images.splits.map(len)==[24,24]
    shutil.rmtree(tmp_path/'val')
    with pytest.raises(ValueError, match='name the folder of validation images'): LabeledImages.from_folder(tmp_path)

@pytest.mark.parametrize('col,ok', [([True,False]*4, True), (['True','False']*4, True), ([1,0]*4, True), ([0.,1.,2.,2.]*2, True),
                                    ([np.nan,True]*4, False), (['yes','no']*4, False), ([0,-1]*4, False), ([.5,1]*4, False)])
def test_is_valid(folder, col, ok):
    files = sorted(folder.rglob('*.*'))[:8]
    df = pd.DataFrame(dict(name=files, label=list('abababab'), is_valid=col))
    if ok: assert LabeledImages.from_df(df).splits.map(len).sum()==8
    else:
        with pytest.raises(ValueError, match='rows have no split'): LabeledImages.from_df(df)

def test_spawned_workers(folder):
    "Loaders can be pickled, which is how workers get them on macOS and Windows"
    dls = by_pairs(LabeledImages.from_folder(folder), bs=4, num_workers=0, device='cpu')
    for dl in dls:
        dl = pickle.loads(pickle.dumps(dl))
        assert len(dl.one_batch()[1])==4

def test_new_loaders_redraw(folder):
    pairs = Pairs(LabeledImages.from_folder(folder))
    dl = pairs.dls(bs=4, after_item=Resize(16), num_workers=0, device='cpu').train
    for _ in dl: break                          # a pass that is broken off is a pass
    dl.one_batch()                              # a look is none
    dl = dl.new(bs=2)
    for _ in dl: pass
    assert (dl.dataset.items.table==pairs.draw(epoch=1)).all()

def test_other_pairs(folder):
    pairs = Pairs(LabeledImages.from_folder(folder))
    dls = by_pairs(pairs.images, bs=4, num_workers=0, device='cpu')
    df = pairs.to_df()
    rows = df[['left','right','same']].values.tolist()
    for items in df, rows, [tuple(r) for r in rows]:
        y = torch.cat([b[1] for b in dls.test_dl(items, with_labels=True)])
        assert y.tolist()==df.same.astype(int).tolist()
    assert len(dls.test_dl(df).one_batch())==1
