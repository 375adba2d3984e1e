"""Parts of a trained model for other tools: `python -m cliplite_core.export RUN out.pth --format torchvision`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cliplite_core.commands.export import FORMATS
from cliplite_core.model import CLIPLite

EPILOG = """
torchvision   the image encoder, for torchvision.models: OUT is a file, .pth or .safetensors
                  network = torchvision.models.get_model("resnet18"); network.fc = torch.nn.Identity()
                  network.load_state_dict(torch.load("out.pth", weights_only=True))
detectron2    the image encoder, for MODEL.WEIGHTS: OUT is a file, .pth; besides, the config needs
                  MODEL: {PIXEL_MEAN: [123.675, 116.280, 103.530], PIXEL_STD: [58.395, 57.120, 57.375],
                          RESNETS: {DEPTH: 18, STRIDE_IN_1X1: False}}
                  INPUT: {FORMAT: "RGB"}
transformers  the text encoder and its tokenizer: OUT is a new directory
                  transformers.AutoModel.from_pretrained("out"), transformers.AutoTokenizer.from_pretrained("out")

The first two need a network that torchvision has: image_width = 64, image_stem = "imagenet" and no resnet10.
Images are scaled to [0, 1] and normalised by ImageNet's mean and deviation. The whole model, critic included, is the
directory `model` of a run: copy it, and load it with CLIPLite.load.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and writes one part of a model in one format."""
    parser = argparse.ArgumentParser(
        prog="python -m cliplite_core.export",
        description="Write a trained image or text encoder as other tools load it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="RUN", help="run directory, directory of CLIPLite.save, or hub id OWNER/NAME")
    parser.add_argument("out", metavar="OUT", help="file or directory to write, see below")
    parser.add_argument("--format", choices=FORMATS, required=True)
    options = parser.parse_args(arguments)
    try:
        print("written:", FORMATS[options.format](CLIPLite.load(options.model), options.out))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
