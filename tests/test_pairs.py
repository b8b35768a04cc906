"Pairs of any class sizes; tables and lists that are wrong"
from collections import Counter
from pathlib import Path

import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st

from siamese_verify.data import *
from siamese_verify.pairs import *

def one_split(sizes):
    "Images of classes of these sizes, all in one split"
    y = np.repeat(np.arange(len(sizes)), sizes)
    return LabeledImages([f'{k}.png' for k in range(len(y))], y, valid=dict(train=np.arange(len(y))))

@settings(max_examples=200)
@given(st.lists(st.integers(1,6), min_size=2, max_size=8).filter(lambda o: max(o)>1), st.floats(.2,6), st.floats(0,1), st.integers(0,99))
def test_pairs(sizes, factor, same, seed):
    images = one_split(sizes)
    table = Pairs(images, factor, same, seed).train
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
        sets = Counter(frozenset(draw_distinct(np.array([2]), np.array([size]), rng)[1].tolist()) for _ in range(20*size*(size-1)))
        assert len(sets)==size*(size-1)//2
        assert sum((n-40)**2/40 for n in sets.values()) < len(sets) + 5*np.sqrt(2*len(sets))   # chi-squared

def test_large_classes_do_not_crowd_out_small_ones():
    images = one_split([100, 10, 10])
    i,_,same = Pairs(images, 1).draw().T
    assert np.bincount(images.y[i[same==1]]).tolist()==[50,5,5]

@given(st.lists(st.integers(1,6), min_size=1, max_size=8))
def test_numbering(sizes):
    "Each pair of a split has one number"
    images = one_split(sizes)
    images.y = np.random.default_rng(0).permutation(images.y)
    n = np.array(sizes)
    if len(n)>1:
        blocks = Blocks(images, 'train', same=0)
        other = blocks.not_same(np.arange((n.sum()**2-(n**2).sum())//2))
        assert (images.y[other[0]]!=images.y[other[1]]).all()
        assert len({frozenset(o) for o in other.T.tolist()})==other.shape[1]
    if n.max()>1:
        blocks = Blocks(images, 'train', same=1)
        g = np.repeat(np.arange(len(n)), blocks.size*(blocks.size-1)//2)
        v = np.concatenate([np.arange(k*(k-1)//2) for k in blocks.size])
        same = blocks.same(g, v)
        assert (images.y[same[0]]==images.y[same[1]]).all() and (same[0]!=same[1]).all()
        assert len({frozenset(o) for o in same.T.tolist()})==len(v)

@pytest.mark.parametrize('kwargs', [dict(factor=o) for o in (0, -1, np.inf, np.nan, '1', None, 1e12, dict(valid=np.nan))]
                                   + [dict(same=o) for o in (-.1, 1.1, np.nan, '.5')] + [dict(seed=o) for o in (-1, 1.5, None)])
def test_arguments(kwargs):
    with pytest.raises(ValueError): Pairs(one_split([2,3]), **kwargs)

@pytest.mark.parametrize('row', [(0,5,1), (-1,0,1), (0,1,2), (0,1,-1)])
def test_given_tables(row):
    with pytest.raises(ValueError, match='no pair of 5 images'): Pairs(one_split([2,3]), tables=dict(train=[row]))
    with pytest.raises(ValueError, match="no split 'valid'"): Pairs(one_split([2,3]), tables=dict(valid=[(0,1,1)]))

@pytest.fixture
def df(tmp_path):
    "Four pairs of four files"
    for o in 'abcd': (tmp_path/o).touch()
    files = pd.DataFrame([(str(tmp_path/o[0]), str(tmp_path/o[1])) for o in ('ab','cd','ac','bd')], columns=['left','right'])
    return files.assign(same=[True,True,False,False], is_valid=[False,True,False,False])

@pytest.mark.parametrize('col,values,message', [('same', [1,1,0,None], "1 cells of column 'same' are empty, the first in row 3"),
    ('same', [1,1,0,2], '2 is no target'), ('same', [1,1,1,0], 'but "Same" through other rows'), ('left', ['','','',''], '4 cells'),
    ('is_valid', [0,1,2,0], '1 rows have no split'), ('is_valid', [0,1,10**9,0], '1 rows have no split'), ('is_valid', [0,1,None,0], '1 cells')])
def test_wrong_cells(df, col, values, message):
    with pytest.raises(ValueError, match=message): Pairs.from_df(df.assign(**{col:values}))

def test_wrong_tables(df):
    with pytest.raises(ValueError, match='the table is empty'): Pairs.from_df(df[:0])
    with pytest.raises(ValueError, match="no column 'same'"): Pairs.from_df(df.drop(columns='same'))
    with pytest.raises(ValueError, match='is paired with itself'): Pairs.from_df(df.assign(right=df.left))
    with pytest.raises(FileNotFoundError, match='missing'): Pairs.from_df(df.assign(right=df.right+'x'))

def test_splits_of_a_list(df):
    "An image that is in several splits belongs to the first; a splitter of the rows does as well as a column"
    with pytest.warns(UserWarning, match='3 images are in more than one split|images are in more'): pairs = Pairs.from_df(df)
    assert pairs.images.splits['valid'].tolist()==[]
    assert len(pairs.train)==3 and len(pairs.valid)==1
    with pytest.warns(UserWarning, match='images are in more'): again = Pairs.from_df(df, valid=lambda rows: ([0,2,3], [1]))
    assert (again.train==pairs.train).all() and (again.valid==pairs.valid).all()
