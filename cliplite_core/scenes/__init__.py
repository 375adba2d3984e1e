"""The embedded data set: composed pictures whose truth is known, written in the formats of COCO and VOC."""
