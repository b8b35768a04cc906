"Batches of images of any mode, with any number of workers"
import pickle, random

import numpy as np, pytest
from fastai.vision.all import ColReader, ColSplitter, DataBlock, DataLoaders, IntToFloatTensor, Normalize, Resize, TfmdLists
from fastai.vision.all import TensorImage, ToTensor, get_random_states, range_of, torch
from PIL import Image

from siamese_verify.data import *
from siamese_verify.loaders import *
from siamese_verify.pairs import *

modes = ['1','L','P','LA','RGB','RGBA','CMYK','I;16']

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "Images of all modes and many sizes, in four classes"
    path = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for k,mode in enumerate(modes*3):
        im = Image.fromarray(rng.integers(0, 256, (20+k, 30-k, 3), dtype=np.uint8))
        grey = Image.fromarray(np.asarray(im.convert('L')).astype(np.uint16)*257)
        im = grey if mode=='I;16' else im.convert(mode)
        (path/f'{k%4}').mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6
        im.save(path/f'{k%4}'/(f'{k}.tif' if mode=='CMYK' else f'{k}.png'), exif=exif)
    return path

def by_pairs(images, **kw): return Pairs(images).dls(after_item=Resize(16), **kw)
def by_transform(images, **kw):
    tls = TfmdLists(range_of(images), PairTransform(images), splits=images.splits.values(), dl_type=PairDL)
    return tls.dataloaders(after_item=[Resize(16), ToTensor], after_batch=IntToFloatTensor, **kw)
def by_block(images, **kw):
    block = DataBlock((ImagePairBlock, SameBlock), get_x=ColReader(['left','right']), get_y=ColReader('same'),
                      splitter=ColSplitter(), item_tfms=Resize(16))
    return block.dataloaders(Pairs(images).to_df().assign(is_valid=lambda o: o.split=='valid'), **kw)
def by_pair_dl(images, **kw):
    dls = images.dls(after_item=Resize(16), per_class=2, **kw)
    return DataLoaders(dls.pair_dl('train'), dls.pair_dl('valid'))

@pytest.mark.parametrize('way', [by_pairs, by_transform, by_block, by_pair_dl])
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

@pytest.mark.parametrize('num_workers', [0,2])
def test_images(folder, num_workers):
    images = LabeledImages.from_folder(folder)
    dls = images.dls(bs=4, per_class=2, after_item=Resize(16), num_workers=num_workers, device='cpu')
    for dl in *dls, dls.image_dl(), dls.image_dl(images.files):
        batches = list(dl)
        assert len(batches)==len(dl) and all(b[0].shape[1:]==(3,16,16) for b in batches)

def by_images(images, **kw): return images.dls(per_class=2, after_item=Resize(16), **kw)

@pytest.mark.parametrize('way', [by_pairs, by_images])
def test_spawned_workers(folder, way):
    "Loaders can be pickled, which is how workers get them on macOS and Windows"
    dls = way(LabeledImages.from_folder(folder), bs=4, num_workers=0, device='cpu')
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
    assert (dl.dataset.items.rows==pairs.draw(epoch=1)[:,:2]).all()

def test_statistics_of_a_batch(folder):
    "`Normalize()` sets itself up with a batch of images"
    for way in by_pairs, by_images:
        dls = way(LabeledImages.from_folder(folder), bs=4, num_workers=0, device='cpu', after_batch=Normalize())
        x,_ = dls.one_batch()
        x = torch.cat(tuple(x)) if isinstance(x, ImagePair) else x
        assert x.shape[1:]==(3,16,16) and x.min()<0<x.max()

@pytest.mark.parametrize('way', [by_pairs, by_images])
def test_evaluation_draws_nothing(folder, way):
    "Looks and evaluation leave the random numbers of Python, NumPy and PyTorch alone"
    dls = way(LabeledImages.from_folder(folder), bs=4, num_workers=0, device='cpu')
    before = get_random_states()
    rng = dls.train.rng.getstate()
    dls.show_batch(show=False)
    for dl in dls.valid, dls.pair_dl('train'), dls.image_dl(), dls.test_dl([dls.images[:2]]):
        for _ in dl.new(shuffle=True): pass
    after = get_random_states()
    assert random.getstate()==before['random_state'] and dls.train.rng.getstate()==rng
    assert (after['numpy_state'][1]==before['numpy_state'][1]).all()
    assert (after['torch_state']==before['torch_state']).all()

def test_splits_are_there(folder):
    images = LabeledImages.from_folder(folder)
    idx = np.arange(len(images))
    for splits,message in [(dict(train=idx), 'no images in valid'), (dict(valid=idx), 'no images in train')]:
        with pytest.raises(ValueError, match=message): LabeledImages(images.files, [images.vocab[c] for c in images.y], splits).dls(bs=4)

@pytest.mark.parametrize('kwargs,message', [(dict(bs=0), 'bs is a whole number of 1 or more, not 0'), (dict(shuffle=False), 'shuffle: no such argument'),
                                            (dict(store='x'), 'not str'), (dict(bs=2.5), 'bs is a whole number')])
def test_arguments_are_checked(folder, kwargs, message):
    images = LabeledImages.from_folder(folder)
    for o in images, Pairs(images):
        with pytest.raises((ValueError,TypeError), match=message): o.dls(**{**dict(bs=4), **kwargs})

def test_other_pairs(folder):
    pairs = Pairs(LabeledImages.from_folder(folder))
    dls = by_pairs(pairs.images, bs=4, num_workers=0, device='cpu')
    df = pairs.to_df()
    rows = df[['left','right','same']].values.tolist()
    for items in df, rows, [tuple(r) for r in rows]:
        y = torch.cat([b[1] for b in dls.test_dl(items, with_labels=True)])
        assert y.tolist()==df.same.astype(int).tolist()
    assert len(dls.test_dl(df).one_batch())==1
    with pytest.raises(ValueError, match="no column 'same'"): dls.test_dl(df.drop(columns='same'), with_labels=True)

def test_line_between_images():
    "Grey, for bytes and for floats, and a sixteenth as wide as an image"
    for dtype,grey in (torch.float32,.5),(torch.uint8,128):
        pair = ImagePair(*(TensorImage(torch.zeros(3,32,32, dtype=dtype)) for _ in range(2)))
        shown = pair.show().images[0].get_array()
        assert shown.shape==(32,66,3) and (shown[:,32:34]==grey).all() and shown.sum()==grey*32*2*3
