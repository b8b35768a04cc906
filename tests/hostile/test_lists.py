"One door for tables: strings stay strings, and a cell or a column that's missing is named"
import numpy as np, pandas as pd, pytest, torch
from PIL import Image

from cases import *
from siamese_verify.all import LabeledImages, Pairs, RandomSplitter, read_table, to_same

@pytest.fixture
def d(tmp_path):
    for c in 'abcd':
        (tmp_path/c).mkdir()
        for k in range(3): Image.new('L', (4,4), 9*k).save(tmp_path/c/f'{k}.png')
    for o in 'NA','007','a b','null': Image.new('L', (4,4)).save(tmp_path/f'{o}.png')
    return tmp_path

rows = [f'{c}/{k}.png,{c}' for c in 'abcd' for k in range(3)]
csv = '\n'.join(['file,label', *rows])
def vocab(*o): return lambda images: images.vocab==list(o)
# what's in a CSV file of images, and what becomes of it
tables = dict(
    good=(csv, vocab(*'abcd')), crlf=(csv.replace('\n', '\r\n'), vocab(*'abcd')), bom=(b'\xef\xbb\xbf'+csv.encode(), vocab(*'abcd')), quoted=(csv.replace('b/0.png', '"b/0.png"'), vocab(*'abcd')),
    empty=('', fails('x.csv cannot be read as a table .*save it as CSV')), blank=('\n\n', fails('x.csv cannot be read as a table|there are no')), header_alone=('file,label\n', fails('there are no images')),
    no_header=('\n'.join(rows), fails("called 'a/0.png', like one of them: put a row with names of columns on top")), semicolons=(csv.replace(',', ';'), fails('one column, .file;label.: save it as CSV, with commas')),
    tabs=(csv.replace(',', '\t'), fails('one column.*save it as CSV, with commas')), pipes=(csv.replace(',', '|'), fails('one column.*with commas')), one_column=('file\na/0.png\n', fails('there is no column 1, only file')),
    latin=(csv.encode()+'\na/0.png,\xe4'.encode('latin1'), fails('x.csv cannot be read as a table .*in UTF-8')), utf16=(csv.encode('utf-16'), fails('cannot be read as a table .*in UTF-8')), picture=(b'\x89PNG\r\n\x1a\n'+bytes(range(128,256)), fails('cannot be read as a table')),
    long_row=(csv+'\na/0.png,a,1', fails('cannot be read as a table')), short_row=(csv+'\na/0.png', fails("1 cells of column 'label' are empty, the first in row 12")), empty_label=(csv+'\na/0.png,', fails("1 cells of column 'label' are empty, the first in row 12")),
    empty_file=(csv+'\n,a', fails("1 cells of column 'file' are empty, the first in row 12")), blank_label=(csv+'\n007.png," "', fails('007.png has no label')), missing=(csv+'\nnone.png,a', fails('1 files are missing: .*none.png')), missing_all=('file,label\nx/1.png,a\nx/2.png,b', fails('2 files are missing')),
    twice=(csv+'\na/0.png,a', fails('listed more than once: .*a/0.png')), twice_in_two_classes=(csv+'\na/0.png,b', fails('listed more than once: .*a/0.png')), spelled_twice=(csv+'\na/../a/0.png,a', fails('listed more than once')),
    zeros=('file,label\na/0.png,007\na/1.png,7\nb/0.png,07\nb/1.png,7.0', vocab('007','07','7','7.0')), NA=('file,label\nNA.png,NA\nnull.png,null\na/0.png,nan\na/1.png,None', vocab('NA','None','nan','null')),
    numbers_of_64_bits=('file,label\na/0.png,12345678901234567890\na/1.png,12345678901234567891\nb/0.png,1\nb/1.png,2', vocab('1','12345678901234567890','12345678901234567891','2')), dates=('file,label\na/0.png,2020-01-01\na/1.png,01/01/2020\nb/0.png,1e3\nb/1.png,1000', vocab('01/01/2020','1000','1e3','2020-01-01')),
    true=('file,label\na/0.png,True\na/1.png,true\nb/0.png,yes\nb/1.png,no', warns("blanks, case or spelling alone: 'True', 'true'")), absolute=('file,label\n/etc/hostname,a', fails('cannot be read|needs|images')), folder=('file,label\na,a', fails('a is a folder: give a file')),
    split=(csv.replace('file,label', 'file,label,split').replace('.png,a', '.png,a,train').replace('.png,b', '.png,b,train').replace('.png,c', '.png,c,valid').replace('.png,d', '.png,d,VALID'), lambda o: len(o.splits['valid'])==6),
    unknown_split=(csv.replace('file,label', 'file,label,split').replace('.png,a', '.png,a,tets').replace('.png,b', '.png,b,train').replace('.png,c', '.png,c,valid').replace('.png,d', '.png,d,valid'), fails("3 rows have no split: 'tets' in column 'split', row 0; write True or False, or train")),
    empty_split=(csv.replace('file,label', 'file,label,is_valid').replace('.png,', '.png,a,')+'\n', fails("12 rows have no split|cells of column 'is_valid'")), twice_in_the_header=('file,file,label\na/0.png,a/1.png,a', fails('x.csv has several columns called file: rename all but one')), quote_that_closes_later=(csv.replace(".png,a", ".png,\"a", 2), fails('have several lines .is a quote not closed')), cell_of_two_lines=(csv.replace('.png,b', '.png,"b\nc"'), fails('3 cells of column .label. have several lines')),
    carriage_returns=(csv.replace('\n', '\r'), vocab(*'abcd')), backslashes=(csv.replace('a/', 'a\\'), fails('3 files are missing')), home=(csv.replace('a/', '~/a/'), fails('3 files are missing')), blanks_around=(csv.replace('a/0.png', ' a/0.png '), fails('1 files are missing')), blanks_in_the_header=(csv.replace(',label', ', label'), vocab(*'abcd')), zip=(b'PK\3\4'+bytes(range(256)), fails('cannot be read as a table')),
    quote_open=(csv+'\n"a/0.png,a', fails('cannot be read as a table|missing|empty')))
@each('o', tables)
def test_tables_of_images(o, d):
    (d/'x.csv').write_bytes(o[0] if isinstance(o[0], bytes) else o[0].encode())
    split = 'split' in str(o[0]) or 'is_valid' in str(o[0])
    end(lambda: LabeledImages.from_csv(d/'x.csv', valid=None if split else [0]).check(), o[1])

columns = dict(by_name=(dict(label_col='label'), vocab(*'abcd')), by_number=(dict(fn_col=0, label_col=1), vocab(*'abcd')), missing=(dict(label_col='breed'), fails("no column 'breed', only file, label")), missing_file=(dict(fn_col='fname'), fails("no column 'fname', only file, label")),
    beyond=(dict(label_col=2), fails('no column 2, only file, label')), negative=(dict(label_col=-1), fails('no column -1, only file, label')), None_=(dict(label_col=None), fails('no column None')), a_list=(dict(label_col=['label']), fails(r"no column \['label'\]|column.*name or number")),
    suffix=(dict(suff='.jpg'), fails('12 files are missing: .*a/0.png.jpg')), another_folder=(dict(path='none'), fails('12 files are missing: none/a/0.png')), valid_by_name=(dict(valid='fold'), fails("no column 'fold'")))
@each('o', columns)
def test_columns(o, d):
    (d/'x.csv').write_text(csv)
    end(lambda: LabeledImages.from_csv(d/'x.csv', **{'valid':[0]} | o[0]), o[1])

frames = dict(a_list=[['a.png','a']], a_dict={'file':['a.png']}, None_=None, array=np.zeros((2,2)), name='x.csv')
@each('o', frames)
def test_what_is_no_data_frame(o):
    end(lambda: LabeledImages.from_df(o, valid=[0]), fails('a table is a data frame, not'))
    end(lambda: Pairs.from_df(o), fails('a table is a data frame, not|table is empty'))

def test_two_columns_of_one_name(d):
    df = pd.DataFrame([['a/0.png','a','b']], columns=['file','x','x'])
    end(lambda: LabeledImages.from_df(df, d, label_col='x', valid=[0]), fails("several columns called 'x'"))

@pytest.mark.parametrize('name,pattern', [('none.csv', 'none.csv'), ('a', 'a')])
def test_no_table_there(name, pattern, d): end(lambda: read_table(d/name), fails(pattern))

pairs = '\n'.join(['left,right,same', 'a/0.png,a/1.png,1', 'a/0.png,b/1.png,0', 'c/0.png,c/1.png,1', 'c/0.png,d/1.png,0'])
pair_tables = dict(
    good=(pairs, lambda o: len(o)==4), words=(pairs.replace(',1\n', ',Same\n').replace(',0', ',not same'), lambda o: o.train[:,2].tolist()==[1,0,1,0]), booleans=(pairs.replace(',1\n', ',True\n').replace(',0', ',FALSE'), lambda o: o.train[:,2].tolist()==[1,0,1,0]),
    floats=(pairs.replace(',1\n', ',1.0\n').replace(',0', ',0.0'), lambda o: o.train[:,2].tolist()==[1,0,1,0]), no_rows=('left,right,same\n', fails('there are no pairs: the table is empty')), no_same=(pairs.replace('same', 'label'), fails("no column 'same', only left, right, label")),
    no_left=(pairs.replace('left', 'img1'), fails("no column 'left', only img1, right, same")), no_header=(pairs.split('\n', 1)[1], fails("no column 'left'")), same_2=(pairs.replace(',1\n', ',2\n'), fails("'2' is no target: give True or False, 1 or 0")), same_yes=(pairs.replace(',1\n', ',yes\n'), fails("'yes' is no target")),
    same_empty=(pairs.replace('a/1.png,1', 'a/1.png,'), fails("1 cells of column 'same' are empty, the first in row 0")), same_nan=(pairs.replace('a/1.png,1', 'a/1.png,nan'), fails("'nan' is no target")), same_minus=(pairs.replace('a/1.png,1', 'a/1.png,-1'), fails("'-1' is no target")), left_empty=(pairs+'\n,a/1.png,1', fails("1 cells of column 'left' are empty, the first in row 4")),
    itself=(pairs+'\na/2.png,a/2.png,1', fails('a/2.png is paired with itself: take that row out')), itself_in_two_spellings=(pairs+'\na/2.png,a/../a/2.png,1', fails('a/2.png')), contradiction=(pairs+'\na/0.png,a/1.png,0', fails('a/0.png and .*a/1.png are "Not Same" in one row, but "Same"')), mirrored_contradiction=(pairs+'\na/1.png,a/0.png,0', fails('"Not Same" in one row, but "Same"')),
    through_others=(pairs+'\na/1.png,a/2.png,1\na/0.png,a/2.png,0', fails('"Not Same" in one row, but "Same" through other rows')), missing=(pairs+'\na/0.png,none.png,0', fails('1 files are missing: .*none.png')), NA=(pairs+'\nNA.png,null.png,0', lambda o: len(o)==5), zeros=(pairs+'\n007.png,null.png,0', lambda o: len(o)==5),
    blanks=(pairs+'\na b.png,007.png,0', lambda o: len(o)==5), semicolons=(pairs.replace(',', ';'), fails('one column, .left;right;same.: save it as CSV, with commas')), empty=('', fails('cannot be read as a table')), utf16=(pairs.encode('utf-16'), fails('cannot be read as a table')), long_row=(pairs+'\na/0.png,b/0.png,0,1', fails('cannot be read as a table')),
    unknown_split=(pairs.replace('same', 'same,split').replace(',1\n', ',1,train\n').replace(',0', ',0,maybe'), fails("2 rows have no split: 'maybe'")))
@each('o', pair_tables)
def test_tables_of_pairs(o, d):
    (d/'x.csv').write_bytes(o[0] if isinstance(o[0], bytes) else o[0].encode())
    end(lambda: Pairs.from_csv(d/'x.csv', valid=None if 'split' in str(o[0]) else lambda df: (range(len(df)), [])), o[1])

nan = np.nan
targets = dict(true=(True, 'Same'), false=(False, 'Not Same'), one=(1, 'Same'), zero=(0, 'Not Same'), one_0=(1., 'Same'), numpy=(np.int64(1), 'Same'), numpy_bool=(np.bool_(False), 'Not Same'), word=('same', 'Same'), words=('NOT SAME', 'Not Same'), tensor=(torch.tensor(1), 'Same'), blanks=(' Same ', 'Same'),
    two=(2, fails('2 is no target')), minus=(-1, fails('-1 is no target')), half=(.5, fails('0.5 is no target')), nan=(nan, fails('nan is no target')), None_=(None, fails('None is no target')), inf=(np.inf, fails('inf is no target')), yes=('yes', fails("'yes' is no target: give True or False")), empty=('', fails("'' is no target")), a_list=([1], fails('is no target')), complex_=(1j, fails('1j is no target')), NA=(pd.NA, fails('<NA> is no target')))
@each('o', targets)
def test_targets(o): end(lambda: to_same(o[0]), o[1])

names = [f'{c}{k}.png' for c in 'abcd' for k in range(4)]
def images(**kwargs): return LabeledImages(names, [f[0] for f in names], **kwargs)

arguments = {f'{k}_{v}':(k, v, p) for k,vs,p in [
    ('factor', (0, -1, nan, np.inf, 1e12, '1', None, True, [1], 1j), 'factor, the number of pairs for each image, is a number from'), ('same', (-.1, 1.1, 2, nan, np.inf, '.5', None, True, [1], 1j), 'same, the share of same pairs, is a number from 0 to 1, not'), ('seed', (-1, 1.5, nan, 'x', None, True), 'seed is a whole number of 0 or more, not')] for v in vs}
@each('o', arguments)
def test_arguments(o): end(lambda: Pairs(images(), **{o[0]:o[1]}), fails(o[2]))

given = dict(
    good=(dict(train=[[0,1,1],[0,4,0]]), lambda o: len(o)==2), beyond=(dict(train=[[0,99,1]]), fails(r'\[0, 99, 1\] in train is no pair of 16 images')), negative=(dict(train=[[-1,0,1]]), fails(r'\[-1, 0, 1\] in train is no pair')), target=(dict(train=[[0,1,2]]), fails(r'\[0, 1, 2\] in train is no pair')), floats=(dict(train=[[0,1.5,1]]), fails('is no pair of 16 images')), NaN=(dict(train=[[0,nan,1]]), fails('is no pair')),
    split=(dict(test=[[0,1,1]]), fails("no split 'test', only")), itself=(dict(train=[[0,0,1]]), fails('a0.png is paired with itself')), two_columns=(dict(train=[[0,1],[2,3]]), fails('i, j, same')), no_dictionary=([[0,1,1]], fails('dictionary')), words=(dict(train=[['a','b','c']]), fails('i, j, same|no pair')),
    against_labels=(dict(train=[[0,1,0]]), fails(r'a0.png \(a\) and a1.png \(a\) are "Not Same" in train, and their labels say otherwise: correct one')), against_labels_2=(dict(train=[[0,4,1]]), fails(r'a0.png \(a\) and b0.png \(b\) are "Same" in train, and their labels say otherwise')), across_splits=(dict(train=[[0,1,1]], valid=[[2,3,1]]), warns('2 images are in more than one split: a2.png, a3.png')))
@each('o', given)
def test_given_tables(o): end(lambda: Pairs(images(valid=dict(train=range(8), valid=range(8,16))), tables=o[0]), o[1])

asked = dict(split=("foo", "there is no split 'foo', only train, valid"), number=(7, 'there is no split 7, only train, valid'), None_=(None, 'there is no split None'), a_list=(['train'], "there is no split"))
@each('o', asked)
def test_splits_that_are_not_there(o):
    pairs = Pairs(images())
    for do in pairs.__getitem__, pairs.draw, pairs.describe, images().describe: end(lambda: do(o[0]), fails(o[1]))

sets = dict(no_labels=(lambda: Pairs(LabeledImages(names, valid=[0])), 'pairs are drawn by label: give labels, or your own pairs to Pairs.from_df'), one_each=(lambda: Pairs(LabeledImages(names, range(16), valid=range(8))), 'each class in train has one image .*two images of a class'), one_class=(lambda: Pairs(LabeledImages(names, ['a']*16, valid=[0,1])), 'all images in train are of one class .a.'),
    empty_split=(lambda: Pairs(images(valid=[])), 'there are no images in valid'), all_valid=(lambda: Pairs(images(valid=range(16))), 'there are no images in train'), no_images=(lambda: Pairs(names), 'images are LabeledImages, not list'), oversample=(lambda: Pairs(images(), same=0).oversample(), 'all training pairs are of one kind'), one_valid_class=(lambda: Pairs(images(valid=range(4))), 'all images in valid are of one class'))
@each('o', sets)
def test_sets_without_pairs(o): end(o[0], fails(o[1]))

spelled = dict(TRUE=('TRUE','FALSE'), true=('true','false'), one=('1','0'), float=('1.0','0.0'), names=('valid','train'), mixed=('VAL','Train')) | {o:(o,'0') for o in ('yes','t','y',' True','-1','2','wahr')}
@each('o', spelled)
def test_how_a_split_is_spelled(o, d):
    (d/'x.csv').write_text('\n'.join(['file,label,fold', *(f'{r},{o[r[0] in "ab"]}' for r in rows)]))
    known = o[1]!='0' or o[0]=='1'
    end(lambda: len(LabeledImages.from_csv(d/'x.csv', valid='fold').splits['valid']), 6 if known else fails("6 rows have no split: .*; write True or False"))
