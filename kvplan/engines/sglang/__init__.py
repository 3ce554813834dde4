"""
SGLang's account of a cache: one pool of tokens, and beside it one for windows or recurrent states.

Read in the wheel of SGLang 0.5.23; file names are relative to its folder `sglang/srt`. `traits` holds
what only the model's class decides, `cells` what a token and a state take on a rank, `pools` how a
memory becomes pools and back, `waterfall` why that is not the formula's bytes, and `fraction` the share
of the card that SGLang takes unless it is told.

Not covered, and refused where it matters: drafts over pipeline stages or of windows, decode context
parallelism, attention data parallelism, cross-attention, DeepSeek-V4's pools, and unified or host memory.
"""
