"""Run kvplan's command line on the fake runtime: cuDNN, the one library that cannot start there, is off."""

import torch

torch.backends.cudnn.enabled = False
torch.backends.cuda.enable_cudnn_sdp(False)  # type: ignore[no-untyped-call,unused-ignore]  # noqa: FBT003

from kvplan.__main__ import main  # noqa: E402 - after the switches

main()
