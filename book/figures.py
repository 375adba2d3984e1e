"""Captions of the figures in the gallery of a profile's results."""

CAPTIONS = {
    "ablation_batch_size": "Held-out quality against the number of pairs per batch, at equal pairs seen.",
    "ablation_batch_lr": "Recall against the learning rate, a panel per batch size.",
    "ablation_data": "Held-out quality against the share of the training images, at equal pairs seen.",
    "ablation_length": "Held-out quality against the length of training.",
    "ablation_negatives": "Held-out quality against the number of negatives per pair.",
    "ablation_optimizer": "Recall by the optimiser: AdamW, and the paper's SGD with Lookahead at several rates.",
    "ablation_parts": "What changes when one part of CLIP-Lite is changed.",
    "ablation_tuning": "The trials by which each objective was tuned, on the validation split.",
    "bias_alignment": "How close queries that name no gender lie to images of women and of men.",
    "bias_people": "Images on which the removal of gender is measured.",
    "bias_removal": "What queries see, what probes read and what is still found, before and after removing gender.",
    "bounds": "The JSD and InfoNCE bounds of two Gaussians against their known mutual information.",
    "contact_sheet": "A dozen training images, each with one of its captions.",
    "convergence": "Recall against epochs: held out at the end, held out with early stopping, on training photos.",
    "convergence_data": "Recall after many epochs against the share of the training photos.",
    "cost": "Time and memory of one pass of each objective against the batch size.",
    "cost_of_recall": "Pairs, time and memory until a given recall against the batch size, through frozen encoders.",
    "example": "One image with its boxes and all its captions.",
    "explore": "What the search of notebook 11 finds for a sentence.",
    "grounding": "Grad-CAM of each objective's score for a named thing; the box is the annotated one.",
    "grounding_scores": "Pointing, localisation and referring expressions, beside guesses that do not look.",
    "one_batch": "The scores of one batch that CLIP-Lite uses, and those that CLIP uses.",
    "overview": "Measures of the three objectives at equal pairs seen, four at most.",
    "own_data_captions": "Notebook 10: the captions that fit an image best, with their rank.",
    "own_data_contact_sheet": "Notebook 10: training images, each with its first caption.",
    "own_data_near_duplicates": "Notebook 10: test images that look like a training image.",
    "own_data_search": "Notebook 10: the images that fit a sentence best; a frame marks its own image.",
    "own_data_sizes": "Notebook 10: lengths of captions and sizes of images, beside what the encoders take.",
    "own_data_training": "Notebook 10: the bound and the validation recall during training.",
    "recipes": "From the recipe of the paper's probable baseline to CLIP-Lite's, one change at a time.",
    "reproduction": "How far each number of a run is from the published one, beside what other seeds explain.",
    "retrieval": "Recall from images to texts and from texts to images.",
    "retrieval_grid": "The images that CLIP-Lite finds for four sentences; a frame marks the sentence's own image.",
    "score_histograms": "Scores of true and of mismatched held-out pairs during training.",
    "training": "The bound that each objective maximises, during training.",
    "transfer_imagenet": "Linear probes and finetuning with few labels and with many.",
    "transfer_voc": "Average precision of each class on frozen features (VOC07 protocol).",
    "transfer_voc_images": "Test images with their classes; a class marked difficult is in brackets.",
    "words": "How long captions are, and how often each word occurs.",
    "zero_shot": "Accuracy of each class without labels, and which classes CLIP-Lite confuses.",
    "zero_shot_pairs": "Pairs of things: seen together in training, and never seen together.",
}


def caption(name: str) -> str:
    """Return a figure's caption; of a figure without one, its name.

    Example:
        >>> caption("retrieval"), caption("some_new_figure")
        ('Recall from images to texts and from texts to images.', 'some new figure')
    """
    return CAPTIONS.get(name, name.replace("_", " "))
