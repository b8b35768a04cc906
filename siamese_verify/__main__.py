"`python -m siamese_verify train …`, and so `torchrun --nproc-per-node 8 -m siamese_verify train …`"
from siamese_verify.cli import main

if __name__=='__main__': main()
